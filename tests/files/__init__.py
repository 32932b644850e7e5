"""Tests of saved correctors."""
