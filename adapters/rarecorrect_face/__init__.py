"""Faces: networks that read emotions, and correctors of what they misread."""
