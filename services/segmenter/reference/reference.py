#!/usr/bin/python3
"""Segments data sets with OpenCV and scikit-image, after the description of the PlanktoScope's segmenter.

Usage: reference.py [--jpeg DIR] DATASET... > objects.json

Needs Debian's python3-opencv and python3-skimage. It is the reference that services/segmenter is compared with.
The pictures of a data set may be PNG files, which every decoder decodes alike.
With --jpeg it also writes the cut-outs to DIR, as the segmenter does; without, it only measures.
"""

import json
import math
import os
import sys

import cv2
import numpy
import skimage
from skimage.exposure import rescale_intensity
from skimage.measure import label, regionprops

MARGIN = 10
SURPLUS = 20
SQUARE = cv2.getStructuringElement(cv2.MORPH_RECT, (2, 2))
ELLIPSE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (8, 8))


def complete(path):
    """Reports whether a file is no JPEG file, or one that has its end."""
    with open(path, "rb") as f:
        return path.endswith(".png") or f.read().endswith(b"\xff\xd9")


def background(paths):
    """Returns the median of an odd number of pictures."""
    if len(paths) % 2 == 0:
        paths = paths[:-1]
    return numpy.median([cv2.imread(p) for p in paths], axis=0)


def clean(path, flat):
    """Returns a picture divided by the background."""
    with numpy.errstate(divide="ignore", invalid="ignore"):
        image = cv2.imread(path) / flat
    image[0, 0] = 0
    return rescale_intensity(image, in_range=(0, 1.04), out_range="uint8")


def mask_of(cleaned):
    """Returns the mask of the objects in a cleaned picture, and the threshold."""
    gray = cv2.cvtColor(cleaned, cv2.COLOR_BGR2GRAY)
    threshold, mask = cv2.threshold(gray, 127, 255, cv2.THRESH_BINARY_INV + cv2.THRESH_TRIANGLE)
    mask = cv2.erode(mask, SQUARE)
    mask = cv2.dilate(mask, ELLIPSE)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, ELLIPSE)
    return cv2.erode(mask, ELLIPSE), int(threshold)


def cutout_of(cleaned, region):
    """Returns the box of an object with a margin."""
    top, left, bottom, right = region.bbox
    return cleaned[max(0, top - MARGIN):bottom + MARGIN, max(0, left - MARGIN):right + MARGIN]


def features_of(cleaned, region):
    """Returns the features of a region, in the order of the EcoTaxa table."""
    top, left, bottom, right = region.bbox
    hsv = cv2.cvtColor(cleaned[top:bottom, left:right], cv2.COLOR_BGR2HSV)
    mean, deviation = cv2.meanStdDev(hsv, mask=region.image_filled.astype(numpy.uint8))
    gray = cv2.cvtColor(cutout_of(cleaned, region), cv2.COLOR_BGR2GRAY)
    perimeter, area, filled = region.perimeter, region.area, region.area_filled
    major, minor = region.axis_major_length, region.axis_minor_length
    return [float(f"{v:.10g}") for v in (
        region.label, right - left, bottom - top, left, top,
        4 * math.pi * filled / perimeter**2, area, filled, 1 - area / filled, major, minor,
        region.centroid[0], region.centroid[1], region.area_convex,
        perimeter, major / minor, perimeter / area, perimeter / major, 4 * math.pi * area / perimeter**2,
        region.orientation / math.pi * 180 + 90, region.area_bbox, region.eccentricity,
        region.equivalent_diameter_area, region.euler_number, region.extent,
        region.centroid_local[1], region.centroid_local[0], region.solidity,
        *mean[:, 0], *deviation[:, 0], cv2.Laplacian(gray, cv2.CV_64F).var(),
    )]


def runs_of(region):
    """Returns the pixels of a region, as [y, x0, x1] for each piece of a row."""
    top, left = region.bbox[:2]
    runs = []
    for y, row in enumerate(region.image):
        edges = numpy.flatnonzero(numpy.diff(numpy.concatenate(([0], row.astype(numpy.int8), [0]))))
        runs += [[top + y, left + int(a), left + int(b)] for a, b in zip(edges[::2], edges[1::2])]
    return runs


def segment(directory, jpeg):
    """Returns the pictures of a data set with their objects."""
    with open(os.path.join(directory, "metadata.json")) as f:
        metadata = json.load(f)
    least = math.pi * (float(metadata["acq_minimum_mesh"]) / 2 / float(metadata["process_pixel"]))**2
    paths = sorted(os.path.join(directory, n) for n in os.listdir(directory) if n.endswith((".jpg", ".png")))
    paths = [p for p in paths if complete(p)]
    flat, renew, mean, result = background(paths[:10]), False, 0, []
    for i, path in enumerate(paths):
        if renew:
            flat = background(paths[i:i + 10] if i + 10 <= len(paths) else paths[-10:])
        cleaned = clean(path, flat)
        mask, threshold = mask_of(cleaned)
        regions = [r for r in regionprops(label(mask, connectivity=2)) if r.area_filled >= least]
        objects = [{"features": features_of(cleaned, r), "runs": runs_of(r)} for r in regions]
        if jpeg:
            for k, r in enumerate(regions):
                name = os.path.splitext(os.path.basename(path))[0]
                cv2.imwrite(os.path.join(jpeg, f"{name}_{k}.jpg"), cutout_of(cleaned, r))
        result.append({"picture": os.path.basename(path), "threshold": threshold, "objects": objects})
        renew = len(regions) > mean + SURPLUS
        mean = (mean * i + len(regions)) / (i + 1)
    return result


def main():
    arguments, jpeg = sys.argv[1:], None
    if arguments[:1] == ["--jpeg"]:
        jpeg, arguments = arguments[1], arguments[2:]
    json.dump({
        "versions": {"opencv": cv2.__version__, "scikit-image": skimage.__version__, "numpy": numpy.__version__},
        "datasets": {os.path.basename(d): segment(d, jpeg) for d in arguments},
    }, sys.stdout, separators=(",", ":"), default=int)


if __name__ == "__main__":
    main()
