"""Ship a run: `python -m training.export --work DIR --run DIR --out models/fashion-lite --version 0.1.0`.

Calibrates on the tuning photos, scores the validation photos, writes both graphs, the tokenizer and the card, and
refuses towers whose shipped vectors leave those of training.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer

from training.cache import Cache, open_cache
from training.calibrate import Asked, fit_classify, fit_tags, tag_report
from training.card import REPRODUCE, WEAK_SPOTS, update
from training.checkpoints import fill_towers
from training.finding import fit_finding
from training.graphs import write_image_graphs, write_text_graph
from training.measures import CLASSIFY_TEMPLATES, Floats, Judge
from training.model import DIM, GarmentHead, ImageHead, ImageTower, TextHead
from training.prepared import embed, embed_boxes, prepare
from training.recipe import config_of, run
from training.shards import SETS, TUNING, VALIDATION
from training.texts import LONGEST, MiniLM, TextCache, load_tokenizer, minilm_folder
from training.trunk import Trunk
from training.vocab import taxonomy_tasks
from trendloom.vision.values import VALUES, read_values

__all__ = ["load_towers", "main"]

FILES = ("image.onnx", "find.onnx", "region.onnx", "text.onnx", "tokenizer.json")
MOST_F1_DRIFT = 0.005
LEAST_COSINE = {"image": 0.999, "text": 0.99}
MOST_BYTES = 48 * 10**6
TERMS = {
    "catalogue": "a shop's product photos; their repositories state no licence",
    "articles": "competition rules, understood as non-commercial and academic use",
    "clothing": "CC0 1.0",
    "street": "Apache-2.0 collection of a public style site's photos; research data",
    "attributes": "no licence stated; released for research",
    "outfits": "no licence stated; research data",
    "other": "ImageNet terms: non-commercial research",
    "drawn": "drawn by this project's own code; Apache-2.0",
}


def load_towers(state: Path) -> tuple[ImageTower, TextHead]:
    """The averaged towers of a run."""
    weights = torch.load(state, map_location="cpu", weights_only=True)["average"]
    tower = ImageTower(Trunk(), ImageHead(), GarmentHead())
    head = TextHead(len(weights["objective.text.inner.bias"]))
    fill_towers(weights, tower, head)
    return tower.eval().to(memory_format=torch.channels_last), head.eval()


def session(path: Path) -> Any:
    """An onnxruntime session on the CPU."""
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def image_parity(path: Path, pixels: NDArray[np.uint8], images: Floats) -> float:
    """The least cosine between shipped and training vectors of photos."""
    shipped = session(path).run(["embedding"], {"pixels": pixels})[0]
    return float((shipped * images).sum(1).min())


def attribute_parity(
    path: Path, pixels: NDArray[np.uint8], *, rows: list[int], images: Floats, judge: Judge, head: TextHead
) -> dict[str, list[float]]:
    """Weighted F1 of each list that has one, from the trained and from the shipped vectors of prepared photos."""
    run, shipped = session(path), images.copy()
    for start in range(0, len(rows), 32):
        shipped[rows[start : start + 32]] = run.run(["embedding"], {"pixels": pixels[start : start + 32]})[0]
    found: dict[str, list[float]] = {}
    for labels in judge.label_lists():
        if labels.f1 and labels.set != "drawn":
            both = [
                judge.top1(head, vectors, labels, 20.0)[f"{labels.title}_weighted_f1"]["value"]
                for vectors in (images, shipped)
            ]
            found[f"{labels.title}_weighted_f1"] = both
    return found


def text_parity(path: Path, tokenizer: Path, head: TextHead, cache: TextCache, texts: list[str]) -> float:
    """The least cosine between shipped and training vectors of texts; the reference encoder keeps its 32-bit weights."""
    read = Tokenizer.from_file(str(tokenizer))
    read.enable_padding()
    encoded = read.encode_batch(texts)
    ids, mask = (np.array([getattr(e, k) for e in encoded], np.int64) for k in ("ids", "attention_mask"))
    shipped = session(path).run(["embedding"], {"input_ids": ids, "attention_mask": mask})[0]
    encoder = MiniLM().load(load_file(minilm_folder() / "model.safetensors"), round_weights=False)
    with torch.no_grad():
        whole = head(encoder(torch.from_numpy(ids), torch.from_numpy(mask))).numpy()
        trained = head(torch.from_numpy(cache.vectors[cache.rows(texts)])).numpy()
    print(
        f"text, shipped to trained {(shipped * trained).sum(1).min():.6f}, to 32-bit weights {(shipped * whole).sum(1).min():.6f}"
    )
    return float((shipped * whole).sum(1).min())


def measure(
    cache: Cache, texts: TextCache, tower: ImageTower, head: TextHead, args: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, Any], Floats]:
    """Calibration, validation scores and image vectors."""
    rows = [n for n, r in enumerate(cache.records) if r.bucket in (TUNING, VALIDATION) and (r.set != "outfits_box")]
    images = embed(args.data, cache, tower, rows, args.size)
    judge = Judge(records=cache.records, bucket=TUNING, cache=texts)
    classify = fit_classify(judge, head, images)
    tasks = {task.name: task for task in taxonomy_tasks(cache.records, args.taxonomy)}
    kinds = embed_boxes(
        args.data, cache, tower, images, buckets=(TUNING, VALIDATION), size=args.size, taxonomy=args.taxonomy
    )
    path = args.run / VALUES
    asked = Asked(
        judge=judge,
        head=head,
        images=images,
        kinds=kinds,
        taxonomy=args.taxonomy,
        tasks=tasks,
        learned=read_values(path) if path.exists() else {},
    )
    tags = fit_tags(asked)
    final = Judge(records=cache.records, bucket=VALIDATION, cache=texts, resamples=200)
    scores = final.scores(head, images, classify["scale_with_log"], classify["slope_log_n"])
    report = tag_report(replace(asked, judge=final), tags)
    return {"classify": classify, "tags": tags, "report": report}, scores, images


def card_of(
    args: argparse.Namespace, folder: Path, cache: Cache, calibration: dict[str, Any], scores: dict[str, Any]
) -> dict[str, Any]:
    """The model's card."""
    files = {f: {"sha256": hashlib.sha256((folder / f).read_bytes()).hexdigest(), "bytes": (folder / f).stat().st_size}
             for f in (*FILES, VALUES) if (folder / f).exists()}  # fmt: skip
    classify = calibration["classify"]
    counts = {
        s: sum(r.set == s and r.bucket not in (TUNING, VALIDATION) for r in cache.records) for s in (*SETS, "drawn")
    }
    return {
        "name": "fashion-lite", "version": args.version, "files": files, "dim": DIM, "image_size": args.size, "interpolation": "bicubic",
        "fit": "letterbox", "fill": [255, 255, 255],
        "licence": "Weights: Apache-2.0 as far as this project can grant it. Some training photos carry non-commercial or unstated terms "
                   "(training_data); check them before commercial use. Trunk and sentence encoder: Apache-2.0.",
        "training_data": [{"name": name, "terms": TERMS[name], "photos": count} for name, count in counts.items() if count],
        "metrics": scores | {"tags": calibration["report"]},
        "calibration": {
            "classify": {"templates": list(CLASSIFY_TEMPLATES), "softmax_scale": classify["scale_with_log"],
                "softmax_scale_log_n": classify["slope_log_n"],
                         "sigmoid_scale": classify["sigmoid_scale"], "sigmoid_bias": classify["sigmoid_bias"]},
            "tags": {group: {k: found[k] for k in ("scale", "threshold", "further", "templates", "validated")} for group, found in calibration["tags"].items()},
        },
        "tag_scores_on_tuning_photos": {group: {k: found[k] for k in ("precision", "recall", "coverage") if k in found}
                                        for group, found in calibration["tags"].items()},
        "weak_spots": WEAK_SPOTS, "reproduce": REPRODUCE, "created": time.strftime("%Y-%m-%d", time.gmtime()),
    }  # fmt: skip


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder of tar shards per set")
    parser.add_argument("--work", type=Path, required=True, help="folder that training.cache filled")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write; an existing one of another version is replaced"
    )
    parser.add_argument("--version", required=True)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--taxonomy", type=Path, default=Path("models/taxonomy.yaml"))
    return parser.parse_args()


def main() -> None:
    """Write the model's folder."""
    if config := config_of(sys.argv[1:]):
        run("export", config)
        return
    args = arguments()
    torch.set_num_threads(2)
    if (args.out / "card.json").exists() and json.loads((args.out / "card.json").read_text())[
        "version"
    ] == args.version:
        raise SystemExit(f"{args.out} holds version {args.version}: give another --version")
    cache, texts = open_cache(args.work), TextCache(args.work / "texts")
    tower, head = load_towers(args.run / "state.pt")
    calibration, scores, images = measure(cache, texts, tower, head, args)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.out.parent) as name:
        folder = Path(name) / "model"
        folder.mkdir()
        write_image_graphs(tower, args.size, folder)
        write_text_graph(MiniLM().load(load_file(minilm_folder() / "model.safetensors")), head, folder / "text.onnx")
        tokenizer = load_tokenizer(minilm_folder())
        tokenizer.enable_truncation(LONGEST)
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        if (args.run / VALUES).exists():
            shutil.copyfile(args.run / VALUES, folder / VALUES)
        judge = Judge(records=cache.records, bucket=VALIDATION, cache=texts)
        sample = [int(r) for s in ("catalogue", "clothing", "street", "other") for r in judge.rows(s)[:24]]
        prompts = [r.labels["caption"] for r in cache.records[::400] if r.labels.get("caption")] + judge.vocabulary(
            "catalogue", "articleType"
        )
        found = {"image": image_parity(folder / "image.onnx", prepare(args.data, cache, sample, args.size), images[sample]),
                 "text": text_parity(folder / "text.onnx", folder / "tokenizer.json", head, texts, prompts)}  # fmt: skip
        rows = [int(r) for s in ("catalogue", "articles") for r in judge.rows(s)]
        pixels = prepare(args.data, cache, rows, args.size)
        drift = attribute_parity(folder / "image.onnx", pixels, rows=rows, images=images, judge=judge, head=head)
        size = sum(f.stat().st_size for f in folder.glob("*.onnx"))
        print(
            json.dumps(
                {"parity": found, "f1_trained_and_shipped": drift, "bytes": size, "classify": calibration["classify"]}
            )
        )
        moved = max(abs(a - b) for a, b in drift.values())
        if size > MOST_BYTES or moved > MOST_F1_DRIFT or any(found[k] < least for k, least in LEAST_COSINE.items()):
            raise SystemExit(
                f"expected parity of at least {LEAST_COSINE} within {MOST_BYTES:,} bytes, got {found}, F1 moved by {moved:.4f}, in {size:,}: not written"
            )
        colour = next(t for t in taxonomy_tasks(cache.records, args.taxonomy) if t.name == "taxonomy.colour")
        garments, reached = fit_finding(args.data, cache, folder, size=args.size, taxonomy=args.taxonomy, colour=colour)
        print(json.dumps({"garments": reached}), flush=True)
        parity = {"least_cosine": found, "f1_trained_and_shipped": drift}
        card = card_of(args, folder, cache, calibration, scores | {"garments": reached}) | {
            "garments": garments,
            "parity": parity,
        }
        (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")
        put(folder, args.out)
    update(args.out)
    print(json.dumps({"tags": calibration["tags"], "validation": scores}, indent=1))


def put(folder: Path, out: Path) -> None:
    """Put a folder in the place of another."""
    old = out.with_name(f".{out.name}.old")
    if out.exists():
        os.replace(out, old)
    os.replace(folder, out)
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    main()
