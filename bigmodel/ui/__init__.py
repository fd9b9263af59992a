"""The page. The only part of the package that imports gradio."""
