--- What became of a line's heads that were offered to a claim: those for which all was taken are leased, those that are to be dropped
-- end, and the first that was refused parks the line, unless room was made meanwhile. Answers of each of the first whether it is
-- leased, what was handed out, and whether the line is parked. `asked` are holders that are to make room, as [execution, lease, quota, key].
-- @flags allow-oom
-- @brings nothing
-- @args line: string, offer: string, claim: [instance: string, worker: string, claim: string, ttlMs: int], admitted: [execution: string, lease: string][], dropped: string[], refused: [execution: string, kind: string, id: string, key: string, waiter: string][], asked: [namespace: string, execution: string, lease: string, quota: string, key: string][]
-- @reply [leased: boolean[], handed: unknown[][], parked: boolean]
-- @errors corruption schema_mismatch invalid_arguments
local function is_head(u, x, lid)
  return x and x[X.phase] == 'r' and x[X.elig] == 'e' and x[X.demands] and x[X.demands][D.line] == lid
end

local function may_start(u, x, lane)
  if x[X.policy] ~= 0 and state.is_past_deadline(x, u.now) then return false end
  if not lanes.starts(lane) or lanes.room(lane) == 0 then return false end
  return x[X.flow] == '' or members.may_start(u, x)
end

return function(u, a)
  local lid, claim = a[1], a[3]
  if not lines.is_id(lid) then call.refuse('invalid_arguments', 'a line') end
  local ids, others, leased, list, bytes = {}, {}, {}, {}, {}
  for place, each in ipairs(a[4]) do ids[place] = each[1] end
  for _, id in ipairs(a[5]) do others[#others + 1] = id end
  for _, each in ipairs(a[6]) do others[#others + 1] = each[1] end
  record.load(u, others)
  local texts, is_woken = record.fetch(u, ids), lines.close_offer(u, lid, a[2])
  local starter = is_woken ~= nil and named.starter(u, claim)
  for place, each in ipairs(a[4]) do
    local started = starter and named.start(u, starter, lines.get(u, lid), each[1], each[2], texts[place])
    if not started and u.records[each[1]] == nil and not u.changed[each[1]] then record.keep_all(u, { each[1] }, { texts[place] }) end
    local x = not started and record.get(u, each[1])
    if started then
      leased[place], list[#list + 1] = true, started
    elseif demands.is_live(x, each[2]) then
      -- The call is repeated: what goes with it is told again.
      handed.prepare(u, x)
      leased[place] = true
    elseif is_woken ~= nil and is_head(u, x, lid) and may_start(u, x, lanes.of_execution(u, x)) and #each[2] == 36 then
      handed.prepare(u, x)
      transition.active(u, x, { each[2], claim[1], claim[3], claim[2], claim[4] })
      demands.hold(x, each[2])
      leased[place] = true
    else
      leased[place] = false
    end
    if leased[place] and x then list[#list + 1] = x end
  end
  local parked = false
  if is_woken ~= nil then
    for _, id in ipairs(a[5]) do
      local x = u.records[id]
      if is_head(u, x, lid) then transition.cancel(u, x, 'quota') end
    end
    local refused = a[6][1]
    local x = refused and u.records[refused[1]]
    if x and not is_woken and is_head(u, x, lid) then
      transition.touch(u, x)
      x[X.demands][D.refused] = { refused[2], refused[3], refused[4], u.now, refused[5] }
      transition.throttled(u, x, refused[2])
      parked = true
    end
  end
  for _, each in ipairs(a[7]) do outbox.put(u, { 'k', '', '', 0, 0, 0, 0, each }) end
  resolve.fresh(u)
  flush.run(u)
  local told = {}
  for place, each in ipairs(list) do
    told[place] = u.slips[each] and handed.describe(u, each, bytes) or handed.describe_plain(each, bytes)
  end
  return { leased, told, parked }, bytes
end
