"""How Sphinx builds the site: `make docs`, offline, warnings are errors."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

# Many small products: threads that wait for each other are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext")]

project = "rarecorrect"
author = "The rarecorrect developers"
copyright = author
release = version = installed_version("rarecorrect")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "commands",
    "mathml",
    "short_names",
]
exclude_patterns = ["_build", "examples", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
nitpicky = True
nitpick_ignore_regex = [
    # what other projects document; nothing is downloaded to look it up
    ("py:.*", r"(sklearn|numpy|scipy|pandas|torch|xgboost)\b.*"),
    # what public things are made of: named in docstrings, without a page
    ("py:.*", r"rarecorrect\.(in_force|new_rule|robust|tail_scale|training_rows)\..*"),
    ("py:.*", r"rarecorrect\.ledger\.origin|Whitening\.from_moments|rules"),
    ("py:.*", r"rarecorrect_face\.nets\.(layers|views)\..*"),
    ("py:.*", r"rarecorrect_tabular\.replay_traffic\..*"),
]

# Markdown
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_linkify_fuzzy_links = False

# API: one page a name, private things left out
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
_OPTIONAL = ("captum", "cv2", "lightgbm", "PIL", "pyarrow", "shap", "torch", "xgboost")
autodoc_mock_imports = [name for name in _OPTIONAL if find_spec(name) is None]
numpydoc_show_class_members = False
add_module_names = False
toc_object_entries_show_parents = "hide"

# Gallery. The long form of an example is not run, nor what needs data or an extra.
_NOT_RUN = ["nslkdd_", "ulb_"] + ["patch_xgboost"] * (find_spec("xgboost") is None)
sphinx_gallery_conf = {
    "examples_dirs": ["examples"],
    "gallery_dirs": ["gallery"],
    "default_thumb_file": str(HERE / "images" / "thumbnail.png"),
    "filename_pattern": rf"/(?!{'|'.join(_NOT_RUN)})[^/]+\.py$",
    "reset_argv": "gallery_arguments.quick",
    "doc_module": ("rarecorrect", "rarecorrect_face", "rarecorrect_tabular"),
    "backreferences_dir": "gallery/backreferences",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "plot_gallery": "True",
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "log_level": {"backreference_missing": "debug"},
    "remove_config_comments": True,
    "matplotlib_animations": False,
}

# Look
html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "rarecorrect"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "rarecorrect"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}


def _skip(app, what, name, member, skip, options):
    """Leave out what scikit-learn and namedtuple write into a class by themselves."""
    inherited = str(getattr(member, "__module__", "")).startswith("sklearn.")
    requested = name.startswith("set_") and name.endswith("_request")
    says = str(getattr(member, "__doc__", "") or "")
    made = inherited or requested or says.startswith("Alias for field")
    return True if made else None


def _inside(app, docname, source):
    """A file of the repository that the site shows is linked where the site has it."""
    outside = "(../tests/simulation/results.md)"
    source[0] = source[0].replace(outside, "(about/simulations.md)")


def setup(app):
    """Register the hooks."""
    app.connect("autodoc-skip-member", _skip)
    app.connect("source-read", _inside)
