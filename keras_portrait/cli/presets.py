"""`portrait presets`: what there is to draw with."""


def presets() -> None:
    """List the presets in the package and the filters: method, input, size and styles."""
    from keras_portrait.inference.filter_presets import DESCRIPTION
    from keras_portrait.inference.filters import FILTERS
    from keras_portrait.inference.metadata import NOISE, read_contract
    from keras_portrait.inference.presets import find_preset, list_presets

    for name in list_presets():
        contract = read_contract(find_preset(name))
        print(f"{name}: {contract.description or 'no description'}")
        given = f"noise of {contract.noise}" if contract.inputs == NOISE else "photo"
        made = "picture in colour" if contract.channels == 3 else "drawing"
        print(f"  {contract.method}: {given} to {made}, {contract.size} x {contract.size}")
        if "style" in contract.inputs:
            for index, style in enumerate(contract.styles):
                print(f"  --style {index} or {style}")
    print(f"{', '.join(f'filter:{name}' for name in FILTERS)}: {DESCRIPTION}")
    print("  photo to drawing, as large as the photo up to 4096 x 4096")
