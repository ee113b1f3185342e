--- One step of applying what is due: the timer of one flow, or those of executions, one of each, earliest first. Leases are looked
-- up by the instance that holds them. `skip` names executions that had theirs already. A careful step works on one entry, and puts
-- it off when something that it leads to does not decode.
-- @flags allow-oom
-- @brings nothing
-- @args max: int, skip: string[], isCareful: boolean
-- @reply [items: [outcome: string, kind: string, id: string, dueMs: number, isDueAgain: boolean][], more: boolean, nextDueMs: number]
-- @errors corruption schema_mismatch
return function(u, a)
  local function step()
    local items, more = timers.drain(u, a[3] and 1 or a[1], a[2])
    resolve.fresh(u)
    flush.run(u)
    return { items, more }
  end
  if not a[3] then
    local told = step()
    return { told[1], told[2], timers.first(u) }
  end
  local ok, told = sound.try(step)
  if not ok and u.working == nil then error(told, 0) end
  if not ok then told = { { timers.put_off(u) }, true } end
  return { told[1], told[2], timers.first(u) }
end
