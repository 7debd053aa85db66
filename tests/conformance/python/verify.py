"""Checks the Merkle tree of a served log with PyPI's pymerkle; signatures are the Go client's part.

    verify.py FOLDER

Reads the entries from tile/entries, builds the tree anew with pymerkle, and compares: the root of `checkpoint` and of
every earlier one in `checkpoints/`, each level of tiles, and every proof in `proofs/`. Exit 0: all verified; 1:
refused.
"""

import base64
import pathlib
import sys

from pymerkle import InclusionProof, InmemoryTree, InvalidProof, verify_consistency, verify_inclusion
from pymerkle.hasher import MerkleHasher

WIDTH = 256


class Refused(Exception):
    """What does not fit, in words."""


def checkpoint(text):
    """Size and root of a checkpoint, whose signature is not looked at here."""
    _, size, root, *_ = text.split("\n")
    return int(size), base64.b64decode(root, validate=True)


def tile_path(level, index, width):
    groups = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03}")
    return f"tile/{level}/{'/'.join(groups)}" + ("" if width == WIDTH else f".p/{width}")


def entries(folder, size):
    for first in range(0, size, WIDTH):
        width = min(WIDTH, size - first)
        bundle = (folder / tile_path("entries", first // WIDTH, width)).read_bytes()
        for _ in range(width):
            length = int.from_bytes(bundle[:2], "big")
            entry, bundle = bundle[2 : 2 + length], bundle[2 + length :]
            if length != 33 or len(entry) != 33 or entry[0] != 1:
                raise Refused(f"an entry of bundle {first // WIDTH} is not 33 bytes of suite 1")
            yield entry
        if bundle:
            raise Refused(f"bundle {first // WIDTH} is longer than its entries")


def check_tiles(folder, tree, size):
    """Every hash of every tile is the root of the subtree that it stands for."""
    level, span = 0, 1
    while size // span:
        count = size // span
        for first in range(0, count, WIDTH):
            path = tile_path(level, first // WIDTH, min(WIDTH, count - first))
            tile = (folder / path).read_bytes()
            for place in range(min(WIDTH, count - first)):
                start = (first + place) * span
                if tile[32 * place : 32 * place + 32] != subroot(tree, start, span):
                    raise Refused(f"{path} differs at place {place}")
            if len(tile) != 32 * min(WIDTH, count - first):
                raise Refused(f"{path} has {len(tile)} bytes")
        level, span = level + 1, span * WIDTH


def subroot(tree, start, span):
    if span == 1:
        return tree.get_leaf(start + 1)
    alone = InmemoryTree(algorithm="sha256")
    for entry in tree.yunhe_entries[start : start + span]:
        alone.append_entry(entry)
    return alone.get_root()


def check_proof(path, tree, size, root):
    """A tlog-proof as pymerkle's InclusionProof: the bits say on which side each hash stands."""
    head, note = path.read_text(encoding="utf-8").split("\n\n", 1)
    magic, index, *hashes = head.split("\n")
    if magic != "c2sp.org/tlog-proof@v1" or not index.startswith("index "):
        raise Refused(f"{path.name} is no tlog-proof")
    index, (proof_size, proof_root) = int(index[6:]), checkpoint(note)
    if (proof_size, proof_root) != (size, root):
        root = tree.get_root(proof_size)
        if root != proof_root:
            raise Refused(f"{path.name} is of a log that ours does not begin with")
    rule, start, end = [], 0, proof_size
    while end - start > 1:
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        rule.insert(0, 0 if index < middle else 1)
        start, end = (start, middle) if index < middle else (middle, end)
    base = MerkleHasher("sha256").hash_buff(bytes([1]) + bytes.fromhex(path.name.split(".")[0]))
    siblings = [base64.b64decode(it, validate=True) for it in hashes]
    proof = InclusionProof("sha256", True, proof_size, index + 1, rule + [0], [base, *siblings])
    verify_inclusion(base, root, proof, index=index + 1, size=proof_size)


def run(folder):
    size, root = checkpoint((folder / "checkpoint").read_text(encoding="utf-8"))
    tree = InmemoryTree(algorithm="sha256")
    tree.yunhe_entries = list(entries(folder, size))
    for entry in tree.yunhe_entries:
        tree.append_entry(entry)
    if tree.get_root() != root:
        raise Refused("the entries do not lead to the root of the checkpoint")
    check_tiles(folder, tree, size)
    earlier = sorted((folder / "checkpoints").glob("*"))
    for file in earlier:
        old, old_root = checkpoint(file.read_text(encoding="utf-8"))
        if tree.get_root(old) != old_root:
            raise Refused(f"the log does not begin with its checkpoint of size {old}")
        if old:
            verify_consistency(old_root, root, tree.prove_consistency(old, size), prior_size=old, later_size=size)
    proofs = sorted((folder / "proofs").glob("*.tlog-proof"))
    for proof in proofs:
        check_proof(proof, tree, size, root)
    print(f"verified with pymerkle: {size} entries, {len(earlier)} earlier checkpoints, {len(proofs)} proofs")


if __name__ == "__main__":
    try:
        run(pathlib.Path(sys.argv[1]))
    except (Refused, InvalidProof, ValueError, OSError) as fault:
        sys.exit(f"refused: {fault}")
