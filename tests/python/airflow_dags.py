"""The DAG that tests/clients/airflow.rs runs: dots in the names of the DAG and of a task group, and a task that fails."""

import datetime

from airflow.sdk import DAG, TaskGroup, task

with DAG("etl.daily", schedule=None, start_date=datetime.datetime(2024, 1, 1), catchup=False):

    @task
    def extract():
        return 1

    @task
    def load(number):
        return number

    @task
    def report(number):
        raise RuntimeError("the report fails")

    with TaskGroup("stage"):
        report(load(extract()))
