"""`portrait presets`: what there is to draw with."""


def presets() -> None:
    """List the presets in the package, with their styles."""
    from keras_portrait.contract import read_contract
    from keras_portrait.presets import find_preset, list_presets

    for name in list_presets():
        contract = read_contract(find_preset(name))
        print(f"{name}: {contract.description} ({contract.size} x {contract.size})")
        for index, style in enumerate(contract.styles):
            print(f"  --style {index} or {style}")
