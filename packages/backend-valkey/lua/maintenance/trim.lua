--- Removes solo executions that are past their retention, up to `max`, and names the flows that are, which go one by one: see
-- `flows/trim`. Of the feed it keeps the last `keep` events, as far as they are not older than `ageMs`; `isOld`: more of them
-- are. `unreadable` are records that do not decode: they are looked at again later. `more`: something was done, and more is
-- due.
-- @flags allow-oom
-- @brings nothing
-- @args max: int, keep: int, ageMs: int
-- @reply [executions: int, flows: [id: string, atMs: number][], unreadable: string[], more: boolean, events: int, isOld: boolean]
-- @errors corruption schema_mismatch
local SECONDS_MAX = 20
local LOOK_MAX = 400
local REMOVED_MAX = 150
local EVENTS_MAX = 5000
local LATER_MS = 3600000

-- What is to become of an entry that is due: 'remove', 'flow', 'bad', or nil, where it says nothing any more.
local function judge(u, entry, bad)
  if entry.is_flow then
    local is_sound, f = sound.try(flows.get, u, entry.id)
    if not is_sound then return 'bad' end
    if f then return flows.is_ended(f) and f[F.open] == 0 and f[F.kept] == entry.at and 'flow' or nil end
    return removal.is_leaving(u, entry.id) and 'flow' or nil
  end
  if bad[entry.id] then return 'bad' end
  local x = u.records[entry.id]
  if x and x[X.flow] == '' and x[X.phase] == 't' and x[X.kept] == entry.at then return 'remove' end
  return nil
end

local function load(u, entries)
  local ids, bad = {}, {}
  for _, entry in ipairs(entries) do
    if entry.at <= u.now and not entry.is_flow then ids[#ids + 1] = entry.id end
  end
  record.load(u, ids, bad)
  return bad
end

-- One second of the wheel. Answers whether there is more to do in it. What stays is not due yet, or somebody else's to do.
local function trim_second(u, second, found, max)
  local entries = retention.entries(u, second, LOOK_MAX)
  local bad, staying, n, is_full = load(u, entries), {}, 0, false
  for place, entry in ipairs(entries) do
    local fate = entry.at <= u.now and judge(u, entry, bad)
    if (fate == 'remove' and found.removed == max) or (fate == 'flow' and #found.flows == max) then
      is_full = true
      break
    end
    n = place
    if fate == 'remove' then
      found.removed = found.removed + 1
      removal.execution(u, u.records[entry.id])
    elseif fate == 'bad' then
      found.bad[#found.bad + 1] = entry.id
      retention.postpone(u, entry, u.now + LATER_MS)
    elseif fate ~= nil then
      staying[#staying + 1] = entry.text
      if fate == 'flow' then found.flows[#found.flows + 1] = { entry.id, entry.at } end
    end
  end
  if n > #staying then
    found.has_moved = true
    retention.take(u, second, n, staying)
  end
  return is_full or #entries == LOOK_MAX
end

return function(u, a)
  local found = { removed = 0, flows = {}, bad = {}, has_moved = false }
  local max, is_left = math.min(a[1], REMOVED_MAX), false
  local seconds = retention.seconds(u, SECONDS_MAX)
  for place, second in ipairs(seconds) do
    is_left = trim_second(u, second, found, max) or place == SECONDS_MAX
    if is_left then break end
  end
  local kept_from, trimmed, is_old = feed.plan(u, a[2], a[3], EVENTS_MAX)
  flush.run(u)
  feed.trim(u, kept_from)
  local more = is_left and (found.has_moved or #found.flows > 0)
  return { found.removed, found.flows, found.bad, more, trimmed, is_old }
end
