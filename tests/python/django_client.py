"""A Django project and Celery tasks with django-statsd: HOST PORT. What arrives is counted out in tests/clients/django.rs.

After some requests it prints how many samples were sent until then and waits for a line on stdin. The last line is the version.
"""

import importlib.metadata
import sys
import types

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="urls",
    INSTALLED_APPS=["django_statsd"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    MIDDLEWARE=["django_statsd.middleware.StatsdMiddleware", "django_statsd.middleware.StatsdMiddlewareTimer"],
    STATSD_HOST=sys.argv[1],
    STATSD_PORT=int(sys.argv[2]),
    STATSD_PREFIX="shop",
    STATSD_TRACK_MIDDLEWARE=True,
    STATSD_TRACK_DATABASE=True,
    LOGGING_CONFIG=None,
)
django.setup()

import celery
import statsd
from django.db import connection
from django.http import HttpResponse, HttpResponseNotFound
from django.test import Client
from django.urls import path

import django_statsd
import django_statsd.celery

sent = 0
send = statsd.Connection.send


def counted(self, data, *arguments, **named):
    global sent
    sent += len(data)
    return send(self, data, *arguments, **named)


statsd.Connection.send = counted


def orders(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    django_statsd.incr("orders.placed", 2)
    with django_statsd.with_("orders.price"):
        return HttpResponse("ok")


def missing(request):
    return HttpResponseNotFound("none")


urls = types.ModuleType("urls")
urls.urlpatterns = [path("orders/", orders), path("missing/", missing)]
for view in orders, missing:
    view.__module__ = "shop.views"
sys.modules["urls"] = urls

app = celery.Celery("shop", set_as_current=True)
app.conf.task_always_eager = True


@app.task(name="shop.tasks.mail")
def mail(number):
    return number


client = Client()
for i in range(900):
    client.get("/orders/")
    if i % 3 == 0:
        client.post("/missing/")
        mail.delay(i)
    if i % 20 == 19:
        print(sent, flush=True)
        sys.stdin.readline()
print(sent, importlib.metadata.version("django-statsd"), importlib.metadata.version("celery"), flush=True)
