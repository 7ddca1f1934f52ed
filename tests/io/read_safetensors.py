"""An independent reader of safetensors files: it uses only the Python standard library and the format's description, nothing of amnet.

usage: read_safetensors.py FILE...

Prints one line for each tensor, sorted by name: the name as JSON, dtype, shape and the SHA-256 of its bytes; and the
metadata as JSON. Exits with 1 and a sentence for a file that violates the format.
"""

import hashlib
import json
import math
import struct
import sys

SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "U8": 1, "I8": 1, "BOOL": 1}


def no_duplicates(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice")
    return result


def read(path):
    """Returns (metadata, {name: (dtype, shape, bytes)})."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    if length % 8 != 0:
        raise ValueError("amnet pads headers to 8 bytes")
    header = json.loads(content[8 : 8 + length].decode("utf-8"), object_pairs_hook=no_duplicates)
    data = content[8 + length :]
    metadata = header.pop("__metadata__", {})
    tensors = {}
    position = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        size = SIZES[entry["dtype"]]
        if begin != position or end - begin != math.prod(entry["shape"]) * size or begin % size != 0:
            raise ValueError(f"{name}: the offsets {begin}, {end} do not fit")
        tensors[name] = (entry["dtype"], entry["shape"], data[begin:end])
        position = end
    if position != len(data):
        raise ValueError(f"the tensors end at byte {position} but the data at byte {len(data)}")
    return metadata, tensors


def main():
    for path in sys.argv[1:]:
        try:
            metadata, tensors = read(path)
        except (ValueError, KeyError, TypeError, struct.error) as error:
            sys.exit(f"{path}: {error}")
        for name, (dtype, shape, data) in sorted(tensors.items()):
            print(json.dumps(name), dtype, shape, hashlib.sha256(data).hexdigest())
        print("metadata", json.dumps(metadata, sort_keys=True))


if __name__ == "__main__":
    main()
