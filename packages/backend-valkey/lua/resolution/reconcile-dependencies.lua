--- Looks at flows for what their dispatcher should have done: pending edges whose upstream has ended, groups that
-- their counters decide, and flows that nobody will settle; and does it. `from` is the place of the first flow's
-- member to begin with. Answers what was found, and where to go on: place of the flow in the list and of its member,
-- or 0 when all were looked at.
-- @flags allow-oom
-- @brings nothing
-- @args flows: string[], from: int, max: int
-- @reply [items: [flow: string, outcome: string, node: string][], flow: int, from: int]
-- @errors corruption schema_mismatch invalid_arguments
local MEMBERS_MAX = 200

return function(u, a)
  if a[2] < 1 then call.refuse('invalid_arguments', 'a place') end
  local items, from, room = {}, a[2], MEMBERS_MAX
  for place, id in ipairs(a[1]) do
    if room <= 0 or #items >= a[3] or u.edges_left <= 0 then
      resolve.fresh(u)
      flush.run(u)
      return { items, place, from }
    end
    local looked, next_from = dependencies.repair(u, id, from, room, items)
    room = room - looked
    from = next_from
    if from > 0 then
      resolve.fresh(u)
      flush.run(u)
      return { items, place, from }
    end
    from = 1
  end
  resolve.fresh(u)
  flush.run(u)
  return { items, 0, 0 }
end
