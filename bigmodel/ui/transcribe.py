"""The Transcribe tab."""


def build(page, live) -> None: ...
