"""Thumbnails of PPM pictures. Computing in Python holds up threads as well, so it has a process of its own."""

import re
from pathlib import Path

from aiojobs_lite import Abandon, Jobs

jobs = Jobs()


@jobs.job(name="images.thumbnail", process=True, timeout="2m", concurrency=2)
def thumbnail(source: Path, width: int = 64) -> Path:
    content = source.read_bytes()
    header = re.match(rb"P6\s+([1-9]\d*)\s+([1-9]\d*)\s+255\s", content)
    if not header or len(content) < header.end() + 3 * int(header[1]) * int(header[2]):
        raise Abandon(f"{source.name} is no whole PPM picture of 8 bits a colour")
    full_width, full_height, pixels = int(header[1]), int(header[2]), content[header.end() :]
    step = max(1, min(full_width // width, full_height))
    rows, columns = range(0, full_height - step + 1, step), range(0, full_width - step + 1, step)
    small = bytearray(b"P6 %d %d 255\n" % (len(columns), len(rows)))
    for top in rows:
        for left in columns:
            spots = [3 * (y * full_width + x) for y in range(top, top + step) for x in range(left, left + step)]
            small += bytes(sum(pixels[at + colour] for at in spots) // len(spots) for colour in range(3))
    target = source.with_suffix(".small.ppm")
    target.write_bytes(small)
    return target
