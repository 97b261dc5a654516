"""Where documents come from: the Runtype API (:mod:`.runtype`) or a saved file (:mod:`.saved`)."""
