"""Where tests find what is not theirs: the checkout, and the reference material beside it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""
SOURCE = ROOT / "src/ringlet"
REFERENCE = ROOT.parent / "shared/reference"
"""Oura's documents and recorded answers; tests that read them skip where the folder is absent."""
SAMPLES = REFERENCE / "samples"
