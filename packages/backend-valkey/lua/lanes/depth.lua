--- How many executions of a namespace's lanes are here, by public state, and since when the oldest claimable one is ready; of one
-- lane where it is named.
-- @flags no-writes
-- @args namespace: string, lane: string
-- @reply [counts: [lane: string, letter: string, count: int][], oldest: [lane: string, readyMs: number][]]
-- @errors corruption schema_mismatch
return function(u, a)
  local rows, places = {}, {}
  local stored = redis.call('HGETALL', u.key.idx .. 'counts')
  local rids = {}
  for place = 1, #stored, 2 do
    local rid, letter = string.match(stored[place], '^(.-)%.(%a)$')
    local route = rid and routes.of(u, rid)
    if route and letter ~= project.HIDDEN and route.ns == a[1] and (a[2] == '' or route.lane == a[2]) then
      rids[rid] = route
      local cell = route.lane .. ' ' .. letter
      if not places[cell] then
        rows[#rows + 1] = { route.lane, letter, 0 }
        places[cell] = rows[#rows]
      end
      places[cell][3] = places[cell][3] + tonumber(stored[place + 1])
    end
  end
  local oldest, by_lane = {}, {}
  for rid, route in pairs(rids) do
    local at = backlog.oldest(u, rid, lanes.of(u, route.key))
    if at and (not by_lane[route.lane] or at < by_lane[route.lane]) then by_lane[route.lane] = at end
  end
  for lane, at in pairs(by_lane) do oldest[#oldest + 1] = { lane, at } end
  return { rows, oldest }
end
