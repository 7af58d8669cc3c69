"""Reads a bridge that wants a certificate and a password: URL, and the folder of the certificates, as arguments."""

import sys

import requests

url, folder = sys.argv[1:]
certificate = (f"{folder}/client.crt", f"{folder}/client.key")
authority = f"{folder}/ca.crt"


def status(**more):
    return requests.get(f"{url}/metrics", timeout=60, **more).status_code


def refused(**more):
    try:
        return status(**more)
    except requests.exceptions.RequestException as error:
        return "refused" if isinstance(error, requests.exceptions.SSLError) or "alert" in str(error) else str(error)


found = [
    status(verify=authority, cert=certificate, auth=("ann", "right")),
    status(verify=authority, cert=certificate, auth=("ann", "wrong")),
    status(verify=authority, cert=certificate),
    refused(verify=authority, auth=("ann", "right")),
    refused(cert=certificate, auth=("ann", "right")),
]
expected = [200, 401, 401, "refused", "refused"]
if found != expected:
    sys.exit(f"expected {expected}, got {found}")
print("all as expected")
