"""The HTTP service of `portrait serve`; `app.create_app` makes it for other servers, too."""
