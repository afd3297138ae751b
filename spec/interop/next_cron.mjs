// SPDX-License-Identifier: MIT
// When croner says that schedules come next: node next_cron.mjs FILE. FILE: an array of
// {schedule, zone, afterMs, count}. Prints an array of arrays of Unix milliseconds. fixedTimeRule:
// as Vixie's cron, lists and ranges of hours are times of the clock too.
import { readFileSync } from "node:fs";
import { Cron } from "croner";

const answers = JSON.parse(readFileSync(process.argv[2], "utf8")).map((row) => {
  const cron = new Cron(row.schedule, { timezone: row.zone, fixedTimeRule: "no-wildcard" });
  return cron.nextRuns(row.count, new Date(row.afterMs)).map((date) => date.getTime());
});
process.stdout.write(JSON.stringify(answers));
