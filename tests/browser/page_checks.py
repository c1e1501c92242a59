"""Checks that a page can be used on narrow and wide viewports, in the light and the dark theme."""

from __future__ import annotations

from .chromium import Display, Tab

DISPLAYS = tuple(Display(width_px, dark) for width_px in (1400, 420) for dark in (False, True))
"""The narrowest comes last, so that what a test clicks next is clicked where space is scarce."""
MIN_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3, level AA."""

MEASURE = """
(() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  // Relative luminance and contrast as WCAG defines them.
  const luminance = colour => channels(colour).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const background = element => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      const [, , , alpha = 1] = channels(colour);
      if (alpha === 1) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const contrast = element => {
    const colours = [getComputedStyle(element).color, background(element)];
    const [dark, light] = colours.map(luminance).sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const fields = document.querySelectorAll('input:not([type=hidden]):not([hidden]), select, textarea');
  const texts = [...document.querySelectorAll('body *')]
    .filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  return {
    width: innerWidth,
    dark: matchMedia('(prefers-color-scheme: dark)').matches,
    overflow: Math.max(0, document.documentElement.scrollWidth - innerWidth),
    headings: document.querySelectorAll('h1').length,
    unlabelled: [...fields].filter(field => !field.labels.length).map(field => field.outerHTML),
    faint: texts.map(element => [contrast(element), element.outerHTML.slice(0, 80)])
      .filter(([contrast]) => contrast < MIN_CONTRAST),
  };
})()
""".replace("MIN_CONTRAST", str(MIN_CONTRAST))


def check_page(tab: Tab) -> None:
    """Check the page on every display.

    It does not scroll sideways, has one main heading, labels every field, and each of its texts has enough
    contrast to its background.
    """
    for display in DISPLAYS:
        tab.emulate(display)
        assert tab.evaluate(MEASURE) == {
            "width": display.width_px,
            "dark": display.dark,
            "overflow": 0,
            "headings": 1,
            "unlabelled": [],
            "faint": [],
        }, tab.url
