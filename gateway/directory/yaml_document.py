"""YAML as plain data that knows its lines. Scalars stay texts, so that an id of digits is not made a number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from gateway.directory.fields import Path

DEPTH_AT_MOST = 20


class YamlError(ValueError):
    """The text is not YAML, or says one thing twice. The message names the line."""


@dataclass(slots=True)
class Document:
    """The data, and the line (from 1) of every path in it."""

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """The line of the path, or of what is next around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str) -> Document:
    """The document. Raises YamlError."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        document = Document()
        document.data = _data(loader, root, (), document.lines) if root is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise YamlError(f"{where}this is not YAML: {getattr(error, 'problem', error)}") from error
    finally:
        loader.dispose()
    return document


def _data(loader: yaml.SafeLoader, node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > DEPTH_AT_MOST:
        raise YamlError(f"line {node.start_mark.line + 1}: too deep")
    match node:
        case yaml.MappingNode():
            return _mapping(loader, node, path, lines)
        case yaml.SequenceNode():
            return [_data(loader, item, (*path, n), lines) for n, item in enumerate(node.value)]
        case yaml.ScalarNode(tag="tag:yaml.org,2002:null"):
            return None
        case yaml.ScalarNode(tag="tag:yaml.org,2002:bool"):
            return loader.construct_yaml_bool(node)
        case _:
            return str(node.value)


def _mapping(
    loader: yaml.SafeLoader, node: yaml.MappingNode, path: Path, lines: dict[Path, int]
) -> dict[str, Any]:
    merged = any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value)
    if merged:
        loader.flatten_mapping(node)
    found: dict[str, Any] = {}
    for key, value in node.value:
        name = str(key.value)
        if name in found and not merged:
            raise YamlError(f"line {key.start_mark.line + 1}: `{name}` stands twice")
        lines[(*path, name)] = key.start_mark.line + 1
        found[name] = _data(loader, value, (*path, name), lines)
    return found
