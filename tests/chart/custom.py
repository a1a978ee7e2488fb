"""custom.py MODULE < objects.json: holds custom resources against the types made from their CRDs.

Run by examples.py in an environment of its own, which has those types. They take keys that they do not
know in silence, so what they have read is compared with what was there.
"""

import importlib
import json
import sys


def unread(there, read, place):
    """Places of what is there and was not read."""
    if isinstance(there, dict) and isinstance(read, dict):
        for key, value in there.items():
            if key not in read:
                yield f"{place}.{key}"
            else:
                yield from unread(value, read[key], f"{place}.{key}")
    elif isinstance(there, list) and isinstance(read, list):
        for index, value in enumerate(there):
            yield from unread(value, read[index], f"{place}[{index}]")
    elif there != read:
        yield f"{place} ({there} was read as {read})"


def wrong(model, one):
    try:
        read = model.model_validate(one).model_dump(mode="json", by_alias=True, exclude_unset=True)
    except ValueError as error:
        return [str(error)]
    return [f"unknown: {place}" for place in unread(one, read, one["kind"])]


module = importlib.import_module(sys.argv[1])
found = [
    f"{one['kind']} {one['metadata']['name']}: {text}"
    for one in json.load(sys.stdin)
    for text in wrong(getattr(module, one["kind"]), one)
]
if found:
    sys.exit("\n".join(found))
