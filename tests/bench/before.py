# SPDX-License-Identifier: Apache-2.0
"""Whether a build of assay costs more than the one before it (bench --before)."""

from figures import number, span

# What is within these of the build before is no worse: the noise of a quiet machine.
NOISE_NS, NOISE_PERCENT, NOISE_SHARE = 3, 3, 0.05


def keys(row):
    """Of a row: ours, the other build's, and by how much ours is dearer. Program time
    decides where there is one."""
    if row["unit"] == "ns":
        return "assay_bpf_net", "peer_bpf_net", "dearer_bpf"
    return "assay", "peer_value", "dearer"


def judge(row):
    """no worse, worse, or unsure: the median says worse, the lower quartile does not."""
    _, theirs, dearer = keys(row)
    more = row.get(dearer)
    if more is None:
        return "not measured"
    least = {"ns": NOISE_NS, "%": NOISE_PERCENT}.get(row["unit"], 0)
    noise = max(least, NOISE_SHARE * abs(row.get(theirs) or 0))
    if more <= noise:
        return "no worse"
    low = row.get("spread", {}).get(dearer, [more])[0]
    return "worse" if low > noise else "unsure"


def show(rows):
    print("\nbeside the build before: this one, that one, by how much dearer (quartiles)")
    for row in rows:
        ours, theirs, dearer = keys(row)
        print(f"{row['name']:26}{row['unit']:4}{number(row.get(ours)):>10}"
              f"{number(row.get(theirs)):>10}   {span(row, dearer)}: {row['verdict']}")
