"""Recipes are TOML files: found by name, put on top of one another, checked before anything starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_toml, user_path
from dinobench.runtime.settings import refuse_unknown, resolve
from dinobench.runtime.shorter_runs import shorter_parts
from dinobench.runtime.suggest import unknown
from dinobench.training.recipe import Recipe, RecipeSettings
from dinobench.training.recipe_checks import check_recipe, refuse_idle

RECIPE_FOLDER = Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return list(_own_files())


@cache
def _own_files() -> Mapping[str, Path]:
    return {path.stem: path for path in sorted(RECIPE_FOLDER.glob("*.toml"), key=lambda path: path.stem)}


def load_recipe(name: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe called `name`, or in the TOML file of that path, with `changes` on top; checked.

    A recipe may name another as its `base` and then says only what differs. "mini+table7-row2" puts what the second
    recipe itself says on top of the first.

    Raises:
        InputError: no such recipe, an unknown field, a value of the wrong type or out of its range, a contradiction, or
            a change without effect.
    """
    first, *further = name.split("+")
    recipe = _read_recipe(first, ())
    for layer in further:
        path, own = _parse_file(layer)
        own.pop("base", None)
        recipe = _on_top(recipe, own, path, name=f"{recipe.name}+{path.stem}")
    parts = shorter_parts(changes or {}, recipe)
    changed = _per_channel(_with_settings(recipe, {**(changes or {}), **parts}, f"recipe {recipe.name}"))
    check_recipe(changed)
    refuse_idle(recipe, changed)
    return changed


def _with_settings(recipe: Recipe, changes: Mapping[str, Any], where: str) -> Recipe:
    refuse_unknown(changes, [RecipeSettings], f"setting of {where}")
    return resolve(Recipe, changes, where, recipe)


def _per_channel(recipe: Recipe) -> Recipe:
    """One mean or deviation written out for every channel."""
    given = {name: getattr(recipe, name) for name in ("mean", "std")}
    return dataclasses.replace(
        recipe, **{name: value * recipe.in_channels for name, value in given.items() if len(value) == 1}
    )


def _read_recipe(name: str, above: tuple[str, ...]) -> Recipe:
    path, own = _parse_file(name)
    if name in above:
        raise InputError(f"recipe {path} is its own base: {' -> '.join([*above, name])}; remove one `base`")
    base = _read_recipe(str(own.pop("base")), (*above, name)) if "base" in own else Recipe()
    return _on_top(base, own, path, name=path.stem)


def _parse_file(name: str) -> tuple[Path, dict[str, Any]]:
    path = _find_file(name)
    return path, read_toml(path)


def _on_top(base: Recipe, own: dict[str, Any], path: Path, name: str) -> Recipe:
    """`base` with a file's own fields."""
    summary, sources = own.pop("summary", base.summary), own.pop("sources", {})
    if not isinstance(summary, str) or not _is_table_of_texts(sources):
        raise InputError(f"recipe {path}: summary must be a text and [sources] a table of texts; correct them")
    refuse_unknown(sources, [RecipeSettings], f"source of recipe {path}: field")
    settled = _with_settings(base, own, f"recipe {path}")
    inherited = {field: source for field, source in base.sources.items() if field not in own}
    return dataclasses.replace(settled, name=name, summary=summary, sources={**inherited, **sources})


def _is_table_of_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _find_file(name: str) -> Path:
    if name in (own := _own_files()):
        return own[name]
    if not name.endswith(".toml"):
        raise unknown("recipe", name, recipe_names())
    path = user_path(name)
    if not path.is_file():
        raise InputError(f"no recipe file {path}; give a TOML file or one of {', '.join(recipe_names())}")
    return path
