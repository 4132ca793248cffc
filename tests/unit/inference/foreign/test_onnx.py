"""ONNX files from elsewhere: what is seen from the file, what a card says, and what is asked for."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import limpid
from limpid.core.errors import ModelError, OptionError

FREE = ["N", 1, "H", "W"]
BLUR = numpy_helper.from_array(np.full((1, 1, 3, 3), 1 / 9, np.float32), "kernel")
CONV = helper.make_node("Conv", ["x", "kernel"], ["y"], pads=[1] * 4)


def node(operator, *names):
    return helper.make_node(operator, list(names[:-1]), [names[-1]])


@pytest.fixture
def write(tmp_path):
    """Write an ONNX file, and a card where there is one, and return the file's path."""

    def write_file(nodes, inputs, *, output=None, initializers=(), dtype=TensorProto.FLOAT, card=None):
        shape = output or next(iter(inputs.values()))
        graph = helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info(name, dtype, size) for name, size in inputs.items()],
            [helper.make_tensor_value_info("y", dtype, shape)],
            list(initializers),
        )
        path = tmp_path / "net.onnx"
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
        model.ir_version = 9
        onnx.save(model, path)
        if card is not None:
            (tmp_path / "net.json").write_text(json.dumps(card))
        return path

    return write_file


def random_image(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def denoised(model, noisy, *, sigma=0.1, **options):
    return limpid.denoise(noisy, model=model, sigma=sigma, value_range=(0, 1), **options)


def blurred(noisy):
    padded = np.pad(noisy, 1)
    height, width = noisy.shape
    return sum(padded[y : y + height, x : x + width] for y in range(3) for x in range(3)) / 9


def test_a_blind_network_that_returns_the_image(write):
    noisy = random_image(30, 41)
    model = limpid.load_model(write([CONV], {"x": FREE}, initializers=[BLUR], card={"output": "image"}))
    assert denoised(model, noisy) == pytest.approx(blurred(noisy), abs=1e-6)
    assert model.capabilities.blind
    assert model.capabilities.halo_px == 1  # found by running it
    assert model.name == "net"


def test_of_a_blind_network_strength_is_the_share_of_its_change_that_is_applied(write):
    noisy = random_image(30, 41)
    path = write([CONV], {"x": FREE}, initializers=[BLUR], card={"output": "image"})
    for strength, share in ((0, 0), (0.25, 0.25), (1, 1), (2, 1)):
        expected = noisy + share * (blurred(noisy) - noisy)
        assert denoised(path, noisy, strength=strength) == pytest.approx(expected, abs=1e-6)


def test_a_residual_is_added(write):
    noisy = random_image(8, 9)
    path = write([node("Neg", "x", "y")], {"x": FREE}, card={"output": "residual"})
    assert np.array_equal(denoised(path, noisy), np.zeros_like(noisy))


@pytest.mark.parametrize("shape", [FREE, [1, 1, "H", "W"], ["N", 1, 1, 1], [1], [], ["N", 1]])
def test_the_level_is_told_as_a_map_or_a_number(write, shape):
    noisy = random_image(8, 9)
    names = ("image", "sigma")
    path = write(
        [node("Add", *names, "y")],
        {"image": FREE, "sigma": shape},
        card={"output": "image", "noisy": names[0], "level": names[1]},
    )
    assert denoised(path, noisy, sigma=0.25) == pytest.approx(noisy + 0.25)
    assert limpid.load_model(path).capabilities.level_map == (shape in (FREE, [1, 1, "H", "W"]))


def test_one_map_for_three_channels_holds_their_root_mean_square(write):
    noisy = random_image(8, 9, 3)
    colour = ["N", 3, "H", "W"]
    path = write([node("Add", "noisy", "level", "y")], {"noisy": colour, "level": FREE}, card={"output": "image"})
    assert denoised(path, noisy, sigma=[0.1, 0.2, 0.2]) == pytest.approx(noisy + 0.3 / 3**0.5, abs=1e-6)


def test_a_level_that_nothing_depends_on_makes_a_blind_network(write):
    path = write([node("Neg", "noisy", "y")], {"noisy": FREE, "level": FREE}, card={"output": "residual"})
    assert limpid.load_model(path).capabilities.blind


def test_fixed_sizes_are_a_grid_of_squares(write):
    noisy = random_image(30, 41)
    size = [1, 1, 16, 16]
    path = write([CONV], {"x": size}, initializers=[BLUR], card={"output": "image"})
    model = limpid.load_model(path)
    assert (model.capabilities.halo_px, model.capabilities.align_px) == (0, 16)
    whole = denoised(model, noisy)
    assert whole.shape == noisy.shape
    assert whole[16:, 16:32] == pytest.approx(
        blurred(np.pad(noisy, ((0, 2), (0, 0)), mode="symmetric")[16:32, 16:32])[:14], abs=1e-6
    )


def test_the_multiple_that_sizes_must_be_of_is_found(write):
    nodes = [
        helper.make_node("SpaceToDepth", ["x"], ["half"], blocksize=4),
        helper.make_node("DepthToSpace", ["half"], ["y"], blocksize=4),
    ]
    model = limpid.load_model(write(nodes, {"x": FREE}, card={"output": "image"}))
    assert model.capabilities.align_px == 4
    noisy = random_image(9, 10)
    assert np.array_equal(denoised(model, noisy), noisy)


def test_a_card_can_stand_for_all_files_of_a_folder_and_limits_the_level(write):
    path = write([node("Add", "noisy", "level", "y")], {"noisy": FREE, "level": FREE})
    (path.parent / "card.json").write_text('{"output": "image", "sigma_max": 0.2, "halo_px": 3, "size_multiple": 2}')
    model = limpid.load_model(path)
    assert model.capabilities.sigma_max == 0.2
    assert model.capabilities.halo_px == 4


def test_without_a_card_the_file_is_not_guessed_at_and_a_minimal_card_is_shown(write):
    path = write([CONV], {"x": FREE}, initializers=[BLUR])
    with pytest.raises(ModelError, match=r'image or the residual.*net\.json beside it, such as \{"output": "image"\}'):
        limpid.load_model(path)
    path = write([node("Add", "a", "b", "y")], {"a": FREE, "b": FREE})
    with pytest.raises(ModelError, match=r'"noisy": "a", "level": "b"'):
        limpid.load_model(path)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"ouput": "image"}, "did you mean 'output'"),
        ({"output": "clean"}, "'image' or 'residual', got 'clean'"),
        ({}, "output must be"),
        ([], "must hold one object"),
        ({"output": "image", "channels": True}, "channels must be a whole number from 1"),
        ({"output": "image", "channels": 3}, "its card says 3"),
        ({"output": "image", "noisy": "z"}, "which is the image"),
        ({"output": "image", "sigma_max": 0}, "sigma_max must be a number above 0"),
        ({"architecture": "unet"}, "name the folder as the model"),
    ],
)
def test_a_card_that_can_not_be_meant_so_is_refused(write, card, message):
    path = write([CONV], {"x": FREE}, initializers=[BLUR], card=card)
    with pytest.raises(ModelError, match=message):
        limpid.load_model(path)


def test_a_card_that_is_no_json_is_named(write):
    path = write([CONV], {"x": FREE}, initializers=[BLUR])
    path.with_suffix(".json").write_text("{")
    with pytest.raises(ModelError, match=r"net\.json is no JSON"):
        limpid.load_model(path)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": ["N", "H", "W"]}, r"has the shape \(free, free, free\)"),
        ({"x": ["N", 2, "H", "W"]}, "has 2 channels"),
        ({"x": ["N", "C", "H", "W"]}, "number of channels of 'x' is free"),
        ({"x": [1, 1, 16, 24]}, "height and width free, or both the same"),
        ({"x": [2, 1, "H", "W"]}, "has the shape"),
    ],
)
def test_shapes_that_can_not_be_used_are_named(write, inputs, message):
    path = write([node("Neg", "x", "y")], inputs, card={"output": "image"})
    with pytest.raises(ModelError, match=message):
        limpid.load_model(path)


def test_other_numbers_of_inputs_and_other_types_are_refused(write):
    inputs = {"a": FREE, "b": FREE, "c": FREE}
    with pytest.raises(ModelError, match="3 inputs"):
        limpid.load_model(write([helper.make_node("Sum", ["a", "b", "c"], ["y"])], inputs, card={"output": "image"}))
    with pytest.raises(ModelError, match="float32"):
        limpid.load_model(
            write([node("Neg", "x", "y")], {"x": FREE}, dtype=TensorProto.FLOAT16, card={"output": "image"})
        )


def test_a_network_that_changes_the_size_is_refused(write):
    pool = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
    with pytest.raises(ModelError, match="returns no image of the size it is given"):
        limpid.load_model(write([pool], {"x": FREE}, card={"output": "image"}))


def test_a_network_of_one_size_that_returns_no_image_is_refused_when_it_is_loaded(write):
    flat = helper.make_node("Flatten", ["x"], ["y"])
    path = write([flat], {"x": [1, 1, 8, 8]}, output=[1, 64], card={"output": "image"})
    with pytest.raises(ModelError, match=r"net\.onnx is no denoiser: .*\(1, 64\).*\(1, 1, 8, 8\)"):
        limpid.load_model(path)


def test_a_card_with_a_size_that_the_network_does_not_take_is_refused_when_it_is_loaded(write):
    nodes = [
        helper.make_node("MaxPool", ["x"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Concat", ["small"] * 4, ["wide"], axis=1),
        helper.make_node("DepthToSpace", ["wide"], ["large"], blocksize=2),
        node("Add", "large", "x", "y"),
    ]
    limpid.load_model(write(nodes, {"x": FREE}, card={"output": "image", "size_multiple": 2, "halo_px": 8}))
    with pytest.raises(ModelError, match="takes no image of 63 x 63 pixels"):
        limpid.load_model(write(nodes, {"x": FREE}, card={"output": "image", "size_multiple": 3, "halo_px": 8}))


@pytest.mark.parametrize("told", [{}, {"size_multiple": 1, "halo_px": 2}])
def test_a_network_that_mirrors_its_margins_is_tried_on_more_than_a_pixel(write, told):
    margins = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "margins")
    nodes = [
        helper.make_node("Pad", ["x", "margins"], ["wide"], mode="reflect"),
        helper.make_node("Conv", ["wide", "kernel"], ["y"]),
    ]
    path = write(nodes, {"x": FREE}, initializers=[margins, BLUR], card={"output": "image", **told})
    assert limpid.load_model(path).capabilities.align_px == 1


def test_a_card_of_stacks_can_not_ask_for_a_second_look_at_parts(write):
    card = {"output": "image", "halo_planes": 1, "halo_px": 8, "size_multiple": 4, "level_again": True}
    with pytest.raises(ModelError, match=r"level_again looks at parts of single planes.*leave one of them out"):
        limpid.load_model(write([CONV], {"x": FREE}, initializers=[BLUR], card=card))


@pytest.mark.parametrize("content", [b"", b"\x80\x04junk", b"x" * 1000])
def test_what_is_no_onnx_is_refused(tmp_path, content):
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"net\.onnx is damaged or no ONNX file"):
        limpid.load_model(tmp_path / "net.onnx")


def test_a_file_cut_short_is_refused(write):
    path = write([CONV], {"x": FREE}, initializers=[BLUR], card={"output": "image"})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ModelError, match="damaged"):
        limpid.load_model(path)


def test_it_runs_in_openvino_only_and_a_missing_file_is_named(write, tmp_path):
    path = write([CONV], {"x": FREE}, initializers=[BLUR], card={"output": "image"})
    with pytest.raises(OptionError, match="openvino only"):
        limpid.load_model(path, runtime="torch")
    with pytest.raises(ModelError, match="is no file"):
        limpid.load_model(tmp_path / "other.onnx")


def test_the_result_says_what_made_it_and_is_assessed_by_running_it_again(write):
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.2, 0.8, 64)[None, :] * np.ones((64, 1))
    noisy = limpid.Image.from_array(rng.normal(ramp, 0.05).astype(np.float32), value_range=(0, 1))
    path = write([CONV], {"x": FREE}, initializers=[BLUR], card={"output": "image"})
    clean = limpid.denoise(noisy, model=path, sigma=0.05)
    made = clean.metadata.provenance[-1].parameters
    assert made["model"] == "net"
    assert len(made["sha256"][0]) == 64
    found = limpid.assess(noisy, clean, model=path, sigma=0.05)
    truth = -10 * np.log10(np.mean((np.asarray(clean) - ramp) ** 2))
    assert found.psnr_interval[0] < truth < found.psnr_interval[1]
