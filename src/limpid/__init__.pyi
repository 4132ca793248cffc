from limpid.core.denoiser import Denoiser as Denoiser
from limpid.core.errors import ConfigError as ConfigError
from limpid.core.errors import DataError as DataError
from limpid.core.errors import ImageError as ImageError
from limpid.core.errors import InputError as InputError
from limpid.core.errors import LimpidError as LimpidError
from limpid.core.errors import MissingExtraError as MissingExtraError
from limpid.core.errors import ModelError as ModelError
from limpid.core.errors import OptionError as OptionError
from limpid.core.errors import ReadError as ReadError
from limpid.core.errors import TooLargeError as TooLargeError
from limpid.core.errors import WriteError as WriteError
from limpid.core.image import Image as Image
from limpid.io import read_image as read_image
from limpid.io import write_image as write_image
from limpid.noise.models import Gaussian as Gaussian
from limpid.noise.models import PoissonGaussian as PoissonGaussian
from limpid.workflows.advise import advise as advise
from limpid.workflows.assess import assess as assess
from limpid.workflows.benchmark import benchmark as benchmark
from limpid.workflows.denoise import denoise as denoise
from limpid.workflows.export import export as export
from limpid.workflows.models import load_model as load_model
from limpid.workflows.noise import estimate_noise as estimate_noise
from limpid.workflows.survey import survey as survey
from limpid.workflows.train import train as train

__version__: str
