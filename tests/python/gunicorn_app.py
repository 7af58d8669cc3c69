"""A WSGI application for tests/gunicorn.rs: the status that a path names, and an exception for /raise."""

STATUSES = {"/ok": "200 OK", "/missing": "404 Not Found", "/busy": "503 Service Unavailable"}


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise RuntimeError("asked for")
    body = path.encode()
    start_response(STATUSES[path], [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
