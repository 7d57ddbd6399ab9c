"""python3 with-apscheduler.py <jobs> <seconds>: so many jobs, each due every second, as with-croner.ts does it."""
import json
import sys
import time
from datetime import datetime, timedelta, timezone

from apscheduler.schedulers.background import BackgroundScheduler

jobs, seconds = map(int, sys.argv[1:])
lateness = []


def call():
    lateness.append(time.time() % 1 * 1000)


scheduler = BackgroundScheduler(timezone=timezone.utc)
start = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=3)
end = start + timedelta(seconds=seconds - 1)
for job in range(jobs):
    scheduler.add_job(call, "cron", second="*", start_date=start, end_date=end, id=f"job-{job}")
scheduler.start()
time.sleep((end - datetime.now(timezone.utc)).total_seconds() + 2)
scheduler.shutdown()
print(json.dumps([round(late, 3) for late in lateness]))
