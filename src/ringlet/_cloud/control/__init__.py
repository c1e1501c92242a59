"""The control API, `/_ringlet/`, for whoever operates the cloud."""
