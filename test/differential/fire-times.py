"""Prints when APScheduler's cron triggers fire.

In: a line of JSON, {"zone": …, "patterns": […], "windows": [[from, until], …]}, instants in milliseconds since the epoch.
Out: for each, a line of JSON, for every pattern the fire times in (from, until] of all windows, in order.
"""
import json
import sys
from datetime import datetime, timezone

from apscheduler.triggers.cron import CronTrigger


def fire_times(trigger, start, end):
    previous = datetime.fromtimestamp(start / 1000, timezone.utc)
    while True:
        fires = trigger.get_next_fire_time(previous, previous)
        if fires is None or fires.timestamp() * 1000 > end:
            return
        yield int(fires.timestamp()) * 1000
        previous = fires


for line in sys.stdin:
    task = json.loads(line)
    triggers = [CronTrigger.from_crontab(pattern, timezone=task["zone"]) for pattern in task["patterns"]]
    print(json.dumps([[at for window in task["windows"] for at in fire_times(trigger, *window)] for trigger in triggers]), flush=True)
