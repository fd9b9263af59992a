"""BigModel Lab: train, compare, generate, transcribe. Each job is a module of its own; import it by name."""
