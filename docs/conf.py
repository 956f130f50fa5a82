"""How Sphinx makes the site of these pages; `make docs` runs it, with every warning as an error."""

project = "power-nowcast"
html_title = project
extensions = ["myst_parser", "sphinx_external_toc"]
external_toc_path = "_toc.yml"
exclude_patterns = ["requirements.*"]
nitpicky = True
language = "en"

myst_heading_anchors = 4
"""Levels of headings that links may lead to, by the anchors that GitHub makes, too."""

html_theme = "pydata_sphinx_theme"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": project},
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
