--- When the next work of a partition of the quota family is due (0: none): of its schedules, of its bulk operations, of its webhooks,
-- and of those who wait for a window; and whether there is room for somebody who waits, or something to look at.
-- @flags no-writes
-- @args
-- @reply [schedulesDueMs: number, operationsDueMs: number, webhooksDueMs: number, wakeMs: number, isParked: boolean]
-- @errors corruption schema_mismatch
return function(u)
  local wake = resources.first_look(u)
  local schedules_due = dues.first(schedules.due_index(u))
  local operations_due = dues.first(records.due_index(u, 'operation'))
  local webhooks_due = dues.first(records.due_index(u, 'webhook'))
  return { schedules_due, operations_due, webhooks_due, wake, (wake > 0 and wake <= u.now) or resources.has_lapsed(u) }
end
