"""The settings of DCGAN, CycleGAN and CartoonGAN: published values, lists, refusals."""

from dataclasses import asdict

import pytest

from keras_portrait.errors import SettingError
from keras_portrait.models.cartoongan.config import CartoonGANRecipe
from keras_portrait.models.cyclegan.config import CycleGANRecipe
from keras_portrait.models.dcgan.config import DCGANRecipe
from keras_portrait.models.load_recipe import load_recipe

RECIPES = {
    "dcgan": DCGANRecipe,
    "dcgan-cpu": DCGANRecipe,
    "cyclegan": CycleGANRecipe,
    "cyclegan-tiny": CycleGANRecipe,
    "cyclegan-cpu": CycleGANRecipe,
    "cartoongan": CartoonGANRecipe,
    "cartoongan-cpu": CartoonGANRecipe,
}


@pytest.mark.parametrize(("name", "kind"), RECIPES.items())
def test_each_recipe_is_of_its_method(name, kind):
    recipe = load_recipe(name)
    assert type(recipe) is kind and recipe.method == name.split("-")[0]


def holds(recipe, **expected):
    """Compares values that are given as `section__key`."""
    values = asdict(recipe)
    found = {name: values[name.split("__")[0]][name.split("__")[1]] for name in expected}
    assert found == expected


def test_defaults_are_the_papers():
    # Radford et al. 2016; "filters" and "noise" of the report, whose figure halves theirs.
    holds(
        DCGANRecipe(),
        data__size=64,
        data__batch=128,
        network__filters=64,
        network__noise=100,
        train__learning_rate=2e-4,
        train__beta_1=0.5,
        loss__gradient_penalty=0.0,
    )
    # Zhu et al. 2017: enlarged to 286, cut to 256.
    holds(
        CycleGANRecipe(),
        data__size=256,
        data__batch=1,
        network__filters=64,
        network__blocks=9,
        network__discriminator_filters=64,
        loss__adversarial=1.0,
        loss__cycle=10.0,
        loss__identity=5.0,
        loss__mode="lsgan",
        train__learning_rate=2e-4,
        train__beta_1=0.5,
        train__pool=50,
    )
    assert round(CycleGANRecipe().data.scale * 256) == 286
    # Chen et al. 2018; what the paper does not have is off.
    holds(
        CartoonGANRecipe(),
        network__filters=64,
        network__blocks=8,
        network__discriminator_filters=32,
        network__trunk="vgg19",
        loss__adversarial=1.0,
        loss__content=10.0,
        loss__mode="log",
        loss__style=0.0,
        loss__gray_style=0.0,
        loss__colour=0.0,
        loss__landmarks=0.0,
        train__pool=0,
    )
    for recipe in (DCGANRecipe(), CycleGANRecipe(), CartoonGANRecipe()):
        holds(recipe, train__drop_epochs=(), train__average_decay=0.0)


def test_recipes_are_the_reports():
    holds(
        load_recipe("dcgan"),
        data__batch=128,
        train__epochs=100,
        train__learning_rate=3e-4,
        train__drop_epochs=(),
    )
    for name in ("cyclegan", "cyclegan-tiny"):
        holds(
            load_recipe(name),
            network__blocks=4,
            loss__identity=5.0,
            loss__adversarial=1.0,
            loss__cycle=10.0,
            train__epochs=300,
            train__learning_rate=3e-4,
            train__drop_epochs=(120,),
            train__drop_factor=0.1,
        )
    holds(
        load_recipe("cyclegan-tiny"),
        data__batch=128,
        network__filters=8,
        network__up_filters=(32, 16),
        network__discriminator_filters=8,
    )
    holds(
        load_recipe("cartoongan"),
        data__size=256,
        data__batch=8,
        loss__content=10.0,
        train__epochs=100,
        train__learning_rate=2e-4,
        train__drop_epochs=(50, 75),
        train__drop_factor=0.1,
    )
    assert load_recipe("cartoongan").loss.style > 0


def test_lists_come_from_toml_and_from_the_command_line(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'method = "cyclegan"\n[network]\nup_filters = [12, 6]\n[train]\ndrop_epochs = [3, 7]\n'
    )
    recipe = load_recipe(path)
    assert recipe.network.up_filters == (12, 6) and recipe.train.drop_epochs == (3, 7)
    recipe = load_recipe(path, ["network.up_filters=[]", "train.drop_epochs=[1]"])
    assert recipe.network.up_filters == () and recipe.train.drop_epochs == (1,)


@pytest.mark.parametrize(
    ("name", "override", "text"),
    [
        ("dcgan", "data.size=96", "data.size: expected 64 or 128, the sizes of DCGAN's networks. "),
        ("dcgan", "network.noise=0", "network.noise: expected 1 to 100000. Received: 0"),
        ("dcgan", "train.pool=5", "Recipe key train.pool is unknown."),
        (
            "dcgan",
            "loss.gradient_penalty=-1",
            "loss.gradient_penalty: expected 0 to 1e+06. Received: -1.0",
        ),
        ("dcgan", "train.precision=float16", "bfloat16 has the range of float32. Received: float"),
        ("cyclegan", "data.size=30", "data.size: expected 32 to 2048. Received: 30"),
        ("cyclegan", "data.size=102", "data.size: expected a multiple of 4. Received: 102"),
        ("cyclegan", "data.scale=0.9", "data.scale: expected 1 to 4. Received: 0.9"),
        ("cyclegan", "train.drop_epochs=120", "expected a list of whole numbers. Received: 120"),
        ("cyclegan", "train.drop_epochs=[1.5]", "expected a list of whole numbers. Received: [1.5"),
        ("cyclegan", "train.drop_epochs=[true]", "a list of whole numbers. Received: [True]"),
        (
            "cyclegan",
            "train.drop_epochs=[75, 50]",
            "train.drop_epochs: expected numbers from 1 up, in order. Received: [75, 50]",
        ),
        ("cyclegan", "train.drop_epochs=[50, 50]", "in order. Received: [50, 50]"),
        ("cyclegan", "train.drop_epochs=[0]", "from 1 up, in order. Received: [0]"),
        ("cyclegan", "train.drop_factor=2", "train.drop_factor: expected 0 to 1. Received: 2.0"),
        (
            "cyclegan",
            "network.up_filters=[32]",
            "network.up_filters: expected none or two numbers from 1 to 1024. Received: [32]",
        ),
        ("cyclegan", "network.up_filters=[32, 0]", "from 1 to 1024. Received: [32, 0]"),
        ("cyclegan", "network.up_filters=[2000, 8]", "from 1 to 1024. Received: [2000, 8]"),
        ("cyclegan", "network.upsampling=cubic", "transposed, nearest. Received: cubic"),
        ("cyclegan", "loss.mode=wgan", "loss.mode: expected one of lsgan, log. Received: wgan"),
        ("cyclegan", "loss.content=1", "Recipe key loss.content is unknown."),
        ("cartoongan", "network.trunk=resnet", "expected one of vgg19, vgg16. Received: resnet"),
        ("cartoongan", "loss.landmarks=-1", "loss.landmarks: expected 0 to 1e+09. Received: -1.0"),
        (
            "cartoongan",
            "train.initialization_step=5",
            'train.initialization_step is unknown. Did you mean "initialization_steps"',
        ),
        ("cartoongan", "train.landmark_steps=0", "train.landmark_steps: expected 1 to 1e+09."),
    ],
)
def test_what_does_not_fit_is_named(name, override, text):
    with pytest.raises(SettingError) as error:
        load_recipe(name, [override])
    assert text in str(error.value) and "Received: " in str(error.value)
    assert "\n" not in str(error.value)
