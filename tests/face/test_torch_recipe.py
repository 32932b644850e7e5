"""Recipe: every choice by name, checked, there and back."""

from __future__ import annotations

from dataclasses import fields

import pytest

from rarecorrect_face.recipe import CHOICES, Recipe


def test_a_recipe_comes_back_from_json_as_it_was():
    recipe = Recipe(size="base", epochs=7, learning_rate=1e-3, flip=False, seed=3)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe.from_dict({}) == Recipe()


def test_whole_numbers_may_stand_where_numbers_are_asked_for():
    assert Recipe(rotation=0, mixup=1).rotation == 0


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"size": "huge"}, "size must be one of small, base, got 'huge'"),
        ({"loss": "hinge"}, "loss must be one of cross-entropy, focal"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"epochs": 2.5}, "epochs must be a whole number, got 2.5"),
        ({"epochs": True}, "epochs must be a whole number, got True"),
        ({"learning_rate": 0}, "learning_rate must be above 0, got 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0, got nan"),
        ({"weight_decay": float("inf")}, "weight_decay must be at least 0, got inf"),
        ({"ema": 1.0}, r"ema must be in \[0, 1\), got 1.0"),
        ({"soft_labels": 1.5}, r"soft_labels must be in \[0, 1\], got 1.5"),
        ({"dropout": "a lot"}, "dropout must be a number, got 'a lot'"),
        ({"flip": 1}, "flip must be true or false, got 1"),
        ({"device": 0}, "device must be a name, got 0"),
        ({"lr": 0.1}, "a recipe has no 'lr'"),
        ({"augment": True}, "a recipe has no 'augment'; it has"),
    ],
)
def test_a_wrong_choice_is_named_with_what_is_allowed(choices, message):
    with pytest.raises(ValueError, match=message):
        Recipe.from_dict(choices)


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(ValueError, match="a recipe must be"):
        Recipe.from_json(text)


def test_every_name_with_choices_is_a_choice_of_a_recipe():
    defaults = {field.name: field.default for field in fields(Recipe)}
    assert all(defaults[name] in allowed for name, allowed in CHOICES.items())


def test_the_difference_names_the_choice_and_both_values():
    assert Recipe().difference(Recipe()) == ""
    assert Recipe().difference(Recipe(device="cpu", channels_last=False)) == ""
    text = Recipe(epochs=10).difference(Recipe(epochs=20))
    assert text == "epochs is 10 there and 20 here"
