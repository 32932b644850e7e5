"""How the parts of a corrector are written to a file, and read back.

To change what is written, also by a new field of a rule or an attribute of a detector:
raise ``FORMAT`` in ``corrector.py``, let the reading side take what older formats hold,
and store a file of the new one with ``tests/files/data/make.py``.  The stored files of
older formats stay in the tests, and must load for ever.
"""
