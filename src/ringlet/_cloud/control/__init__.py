"""The control API, `/_ringlet/`, for tests and for the operator of the cloud."""
