"""Recipes: what is read, overridden and refused."""

import pytest

from keras_portrait.errors import SettingError
from keras_portrait.models import recipe_files
from keras_portrait.models.asymmetric_cycle.config import AsymmetricCycleRecipe
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.models.style_classifier.config import StyleClassifierRecipe
from keras_portrait.recipe import Recipe


@pytest.mark.parametrize("name", recipe_files())
def test_shipped_recipes_load(name):
    assert isinstance(load_recipe(name), Recipe)
    assert load_recipe(name.removesuffix(".toml")) == load_recipe(name)


def test_defaults_are_the_papers():
    recipe = AsymmetricCycleRecipe()
    assert (recipe.network.filters, recipe.network.blocks) == (64, 9)
    assert (recipe.loss.relaxed, recipe.loss.strict, recipe.loss.local) == (5.0, 5.0, 0.5)
    assert not recipe.loss.straight_through and not recipe.loss.anchor


def test_the_style_classifier_has_sections_of_its_own():
    recipe = load_recipe("style-classifier", ["network.trunk=vgg19", "data.rotation=5"])
    assert isinstance(recipe, StyleClassifierRecipe)
    assert recipe.network.trunk == "vgg19" and recipe.data.rotation == 5.0
    assert load_recipe("style-classifier") == StyleClassifierRecipe()
    with pytest.raises(SettingError, match="one of vgg16, vgg19. Received: resnet"):
        load_recipe("style-classifier", ["network.trunk=resnet"])
    with pytest.raises(SettingError, match="Recipe key loss is unknown"):
        load_recipe("style-classifier", ["loss.strict=1"])


def test_overrides_reach_their_section():
    recipe = load_recipe(
        "portrait", ["loss.relaxed=3", "train.precision=float32", "data.flip=false"]
    )
    assert recipe.loss.relaxed == 3.0 and recipe.data.flip is False


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["loss.relaxd=3"], 'loss.relaxd is unknown. Did you mean "relaxed"'),
        (["train.epochs=true"], "train.epochs: expected int. Received: True"),
        (["train.epochs=many"], "train.epochs: expected int. Received: 'many'"),
        (["train.epochs=0"], "train.epochs: expected 1 to 1e+06. Received: 0"),
        (["data.size=100"], "data.size: expected a multiple of 32. Received: 100"),
        (["data.lines=thin"], "data.lines: expected a section of words. Received: 'thin'"),
        (["data.lines.pen=3"], "data.lines: expected a section of words. Received: {'pen': 3}"),
        (["data.lines.pen=bold"], "data.lines.pen: expected one of filled, hatched, thin. Rec"),
        (["data.scale=0.5"], "data.scale: expected 1 to 4. Received: 0.5"),
        (["loss.adversarial=wgan"], "loss.adversarial: expected one of lsgan, log. Received: wgan"),
        (
            ["train.precision=mixed_float16"],
            "bfloat16 has the range of float32. Received: mixed_float16",
        ),
        (["data.scale=nan"], "data.scale: expected 1 to 4. Received: nan"),
        (["train.seed=-1"], "train.seed: expected 0 to"),
        (["train.average_decay=1.0"], "train.average_decay: expected 0 to 0.99999. Received: 1.0"),
        (["loss.anchor=-1"], "loss.anchor: expected 0 to 1e+06. Received: -1.0"),
        (["network.part_filters=0"], "network.part_filters: expected 1 to 1024. Received: 0"),
        (["loss.strict=1" + "0" * 400], "loss.strict: expected float. Received: 1000"),
        (["epochs=3"], 'epochs is unknown. Did you mean "train.epochs"'),
        (["loss=3"], "loss: expected a section of keys. Received: 3"),
        (["loss"], "-s: expected key=value. Received: loss"),
        (["method.x=3"], "-s: method holds no keys"),
        (["method=pix2pix"], "method: expected one of asymmetric_cycle"),
        (["loss.forward_cycle=l2"], "loss.forward_cycle: expected one of edges, photos, l1"),
    ],
)
def test_what_does_not_fit_is_named(overrides, text):
    with pytest.raises(SettingError) as error:
        load_recipe("portrait", overrides)
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_recipe_names_the_near_one(tmp_path):
    with pytest.raises(SettingError, match='Did you mean.*"portrait.toml".*Received: portrai'):
        load_recipe("portrai")
    with pytest.raises(SettingError, match="Received: x+"):
        load_recipe("x" * 300)
    with pytest.raises(SettingError, match="Received: .*absent.toml"):
        load_recipe(tmp_path / "absent.toml")


@pytest.mark.parametrize("content", [b"size = ", b"\xff\xfe\x00"])
def test_what_is_no_toml_is_refused(tmp_path, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(SettingError, match="expected a TOML recipe. Received"):
        load_recipe(path)
