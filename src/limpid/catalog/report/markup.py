"""HTML out of plain values: what is not HTML already is escaped, so that nothing from the data becomes markup."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final

__all__ = ["Html", "element", "join"]

#: Elements without content, which have no end tag either.
_VOID: Final = frozenset({"br", "hr", "img", "input", "link", "meta"})

#: Control characters are no HTML; a reader is to see that there was something.
_UNSHOWABLE: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), "\N{REPLACEMENT CHARACTER}")


class Html(str):
    """Text that is HTML; any other text is escaped where it is put into some."""

    __slots__ = ()


def join(parts: Iterable[object]) -> Html:
    """Return the parts one after the other; those that are no :class:`Html` are escaped.

    Examples
    --------
    >>> join([Html("<br>"), "<script>"])
    '<br>&lt;script&gt;'
    """
    return Html("".join(part if isinstance(part, Html) else _escaped(part) for part in parts))


def element(name: str, /, *children: object, **attributes: object) -> Html:
    """Return an element.

    Parameters
    ----------
    name : str
        Such as ``div``.
    *children : object
        What is in it; escaped where it is no :class:`Html`.
    **attributes : object
        ``_`` in a name stands for ``-``, and at its end for nothing (``class_``). Those that are None or False are left
        out, those that are True have no value.

    Examples
    --------
    >>> element("a", "1 < 2", class_="link", data_x=3, hidden=True)
    '<a class="link" data-x="3" hidden>1 &lt; 2</a>'
    """
    told = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    end = "" if name in _VOID else f"</{name}>"
    return Html(f"<{name}{told}>{join(children)}{end}")


def _attribute(name: str, value: object) -> str:
    if value is False:
        return ""
    shown = name.rstrip("_").replace("_", "-")
    return f" {shown}" if value is True else f' {shown}="{_escaped(value)}"'


def _escaped(value: object) -> str:
    return html.escape(str(value).translate(_UNSHOWABLE).encode("utf-8", "replace").decode("utf-8"))
