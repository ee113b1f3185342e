-- Handing out work: of the routes that the worker serves, best first, each under a new lease.

-- How many entries of ready sets a claim looks at beyond what it hands out.
local SKIPS_MAX = 64
-- What one claim hands out at most, but for the first: a longer answer would keep everybody else waiting.
local BYTES_MAX = 4194304
-- Lines that a claim looks at beyond what it hands out: their heads may not be to be had.
local LINES_BEYOND = 8
-- Leases of what was offered are numbered from there on, apart from those that were handed out at once.
local OFFERS_FROM = 0x100000

-- What may be handed out of a route, best first: what its ready set holds behind what was taken the short way, read bit by bit,
-- and what this call has made claimable and has not written yet.
local function open_stream(u, rid, size)
  return {
    key = u.key.idx .. 'ready:' .. rid, rid = rid, from = u.taken[rid] or 0, size = size, members = {}, ids = {}, at = 1, is_over = false,
    stored = false, fresh = u.claimable[rid] or {}, fresh_at = 1, best = false,
  }
end

-- The same of the part of a line that is of the route.
local function open_line(u, rid, size, line)
  local stream, fresh = open_stream(u, rid, size), u.fresh_lines and u.fresh_lines[rid]
  stream.key, stream.line, stream.fresh = lines.queue_key(u, rid, line), line, fresh and fresh[line.id] or {}
  stream.from = 0
  return stream
end

local function is_before(x, y)
  if x[X.score] ~= y[X.score] then return x[X.score] < y[X.score] end
  return x[X.seq] < y[X.seq]
end

-- Of what is in a line: lists by route and line, and of each route its lines. A line that is new has its turn from here on.
local function lists_of_line(u, rid, lid)
  u.fresh_lines = u.fresh_lines or {}
  local lists = u.fresh_lines[rid]
  if lists == nil then
    lists = { lines = {} }
    u.fresh_lines[rid] = lists
  end
  if not lists[lid] then lists.lines[#lists.lines + 1] = lines.get(u, lid) end
  return lists
end

-- What this call has made claimable, by route, in the order of their ready sets.
local function read_claimable(u)
  local slips, all = u.slips, {}
  u.claimable = {}
  for _, x in ipairs(u.dirty) do
    if x[X.phase] == 'r' and x[X.elig] == 'e' and x[X.staged] ~= 1 and not slips[x][S.gone] then
      local lists, place = u.claimable, x[X.rid]
      local lid = x[X.demands] and x[X.demands][D.line] or ''
      if lid ~= '' then lists, place = lists_of_line(u, place, lid), lid end
      local list = lists[place]
      if list == nil then
        list = { is_sorted = true }
        lists[place], all[#all + 1] = list, list
      end
      if list.is_sorted and #list > 0 and is_before(x, list[#list]) then list.is_sorted = false end
      list[#list + 1] = x
    end
  end
  for _, list in ipairs(all) do
    if not list.is_sorted then table.sort(list, is_before) end
  end
end

-- Reads ahead the flows and groups of the members among them.
local function read_flows(u, ids)
  local of_flows, members = {}, {}
  for _, id in ipairs(ids) do
    local x = u.records[id]
    if x and x[X.flow] ~= '' then
      of_flows[#of_flows + 1] = x[X.flow]
      members[#members + 1] = id
    end
  end
  if #members == 0 then return end
  sound.flows(u, of_flows)
  sound.groups(u, members)
end

local function fill(u, stream)
  if stream.at <= #stream.ids or stream.is_over then return end
  local members, ids = redis.call('ZRANGE', stream.key, stream.from, stream.from + stream.size - 1), {}
  stream.from = stream.from + stream.size
  stream.is_over = #members < stream.size
  for place = 1, #members do ids[place] = string.sub(members[place], 12) end
  stream.members, stream.ids, stream.at = members, ids, 1
  sound.records(u, ids)
  read_flows(u, ids)
end

-- Whether the entry says what its record does not. What does not decode is not offered again and again, either.
local function is_stranger(x, stream)
  if not x or x[X.rid] ~= stream.rid or x[X.phase] ~= 'r' or x[X.elig] ~= 'e' then return true end
  return x[X.demands] ~= nil and lines.place_of(x) ~= (stream.line and stream.line.id or stream.rid)
end

local function may_start(u, x)
  if x[X.policy] ~= 0 and state.is_past_deadline(x, u.now) then return false end
  if x[X.flow] == '' then return true end
  local ok, may = sound.try(members.may_start, u, x)
  return ok and may
end

-- What this call has changed is offered as what it is by now, or has been handed out.
local function stored_head(u, stream, room)
  while not stream.stored and room.skips > 0 do
    fill(u, stream)
    local id = stream.ids[stream.at]
    if id == nil then return false end
    local x = u.records[id]
    if not x or not u.slips[x][S.dirty] then
      if is_stranger(x, stream) then
        if stream.line then lines.cut(stream.line, stream.rid, stream.members[stream.at])
        else u.strangers[#u.strangers + 1] = { stream.rid, stream.members[stream.at] } end
      elseif may_start(u, x) then
        stream.stored = x
        return x
      end
      room.skips = room.skips - 1
    end
    stream.at = stream.at + 1
  end
  return stream.stored
end

local function fresh_head(u, stream)
  local list = stream.fresh
  while true do
    local x = list[stream.fresh_at]
    if x == nil then return false end
    if x[X.phase] == 'r' and may_start(u, x) then return x end
    stream.fresh_at = stream.fresh_at + 1
  end
end

-- The best claimable execution of the route, without taking it; or false.
local function head(u, stream, room)
  if stream.best then return stream.best end
  local stored, fresh = stored_head(u, stream, room), fresh_head(u, stream)
  stream.best = stored and not (fresh and is_before(fresh, stored)) and stored or fresh
  return stream.best
end

local function step_over(stream)
  if stream.best == stream.stored then
    stream.stored = false
    stream.at = stream.at + 1
  else
    stream.fresh_at = stream.fresh_at + 1
  end
  stream.best = false
end

-- Where there are lines, those whose heads are equally urgent take turns; all that is in none is one of them.
local function is_next(u, lane, x, stream, best, from)
  if not lane.has_lines then return is_before(x, best) end
  local one, other = lines.bucket(lane.copy, x[X.score]), lines.bucket(lane.copy, best[X.score])
  if one ~= other then return one < other end
  local turn, turn_of_best = stream.line and stream.line.turn or lane.turn, from.line and from.line.turn or lane.turn
  if turn ~= turn_of_best then return turn < turn_of_best end
  return is_before(x, best)
end

local function best_of_lane(u, lane, room)
  local best, from = false, nil
  for _, stream in ipairs(lane.streams) do
    local x = head(u, stream, room)
    if x and (not best or is_next(u, lane, x, stream, best, from)) then best, from = x, stream end
  end
  return best, from
end

-- The lines of the lane's routes whose turn comes within this claim, and those that this call has brought something.
local function add_lines(u, lane, rids, size)
  for _, rid in ipairs(rids) do
    local is_met = {}
    local function add(line)
      -- One that another claim was offered is for nobody else, and nothing of one goes past its refused head.
      if is_met[line] or line.offer ~= '' or line.head ~= '' then return end
      is_met[line], lane.has_lines = true, true
      lane.streams[#lane.streams + 1] = open_line(u, rid, size, line)
    end
    if u.lines then
      for _, each in ipairs(lines.of_route(u, rid, size)) do add(each[2]) end
    end
    local fresh = u.fresh_lines and u.fresh_lines[rid]
    if fresh then
      for _, line in ipairs(fresh.lines) do add(line) end
    end
  end
  if lane.has_lines then lane.turn = lines.turn_of_route(u, rids[1]) end
end

local function take_turn(u, lane, stream)
  if not lane.has_lines then return end
  local turn = call.next_seq(u)
  if stream.line then stream.line.turn = turn
  else
    lane.turn = turn
    lines.set_turn_of_route(u, lane.first_rid, turn)
  end
end

-- What cannot start now must not keep its line before the others.
local function pass_over(u, lane)
  if not lane.has_lines then return end
  for _, stream in ipairs(lane.streams) do
    if stream.line and not stream.line.is_met and not stream.best and stream.at > 1 then stream.line.turn = call.next_seq(u) end
  end
end

-- The lanes of the claim that start work, with the slots that were lent for it. `notes` tells what the claimer should know of
-- lanes: [nth claim, place of the lane, state, weight, active], where the state is `closed` or `full`, or '' for one that
-- only has another weight than 1.
local function open_lanes(u, request, nth, notes)
  local open = {}
  for place, asked in ipairs(request[8]) do
    local ok, copy = sound.try(lanes.of, u, asked[1])
    if ok and lanes.starts(copy) then
      lanes.lend(u, copy, asked[3], asked[4], asked[5])
      local lane = { place = place, copy = copy, virtual = asked[2], weight = copy.weight, streams = {}, taken = 0, offered = 0 }
      for each, rid in ipairs(asked[6]) do lane.streams[each] = open_stream(u, rid, request[5]) end
      if (u.lines or u.fresh_lines) and #asked[6] > 0 then
        lane.first_rid = asked[6][1]
        add_lines(u, lane, asked[6], request[5] + LINES_BEYOND)
      end
      open[#open + 1] = lane
      if copy.weight ~= 1 then notes[#notes + 1] = { nth, place, '', copy.weight, 0 } end
    elseif ok then
      notes[#notes + 1] = { nth, place, 'closed', copy.weight, 0 }
    end
  end
  return open
end

-- Lanes with work and without a slot: the home may have some left. Told also where other lanes had enough, since a lane that
-- waits for its first slot would else wait for ever.
local function note_full(u, open, room, nth, notes)
  for _, lane in ipairs(open) do
    if lanes.room(lane.copy) <= lane.offered and best_of_lane(u, lane, room) then
      notes[#notes + 1] = { nth, lane.place, 'full', lane.weight, lane.copy.record[L.active] }
    end
  end
end

-- Of the lane whose turn it is, the best: the lane, the execution and its stream; or nothing.
local function pick(u, open, room)
  local lane, best, stream
  for _, candidate in ipairs(open) do
    local x, from
    if lanes.room(candidate.copy) > candidate.offered then x, from = best_of_lane(u, candidate, room) end
    if x then
      local share = candidate.virtual + (candidate.taken + 1) / candidate.weight
      local least = lane and lane.virtual + (lane.taken + 1) / lane.weight
      if lane == nil or share < least or (share == least and x[X.score] < best[X.score]) then
        lane, best, stream = candidate, x, from
      end
    end
  end
  return lane, best, stream
end

-- How many bytes it takes to hand it out; or nil where what goes with it does not decode.
local function size_of(u, x)
  if handed.is_plain(x) then return handed.plain_size(u, x) end
  local ok, size = sound.try(handed.prepare, u, x)
  return ok and size or nil
end

-- What names quotas or budgets is only offered: whoever claims it asks these first, and then has it leased by `leases/admit`.
local function offer(u, request, nth, offers, lane, stream, id, begins, asks)
  local line = stream.line
  local told = line.offered_here
  if not told then
    told = { nth, line.id, request[6], routes.of(u, stream.rid).ns, {}, {} }
    line.offered_here = told
    offers[#offers + 1] = told
    lines.offer(u, line, request[6])
  end
  if line.asks ~= asks then
    line.asks = asks
    told[5][#told[5] + 1] = { asks[D.quotas], asks[D.budgets] }
  end
  local items = told[6]
  offers.count = offers.count + 1
  lane.offered = lane.offered + 1
  items[#items + 1] = { id, OFFERS_FROM + offers.count, begins, #told[5] }
  line.is_met = true
end

-- The heads of one line where the claim asks for nothing else, and all of them are plain. Answers whether it was so.
local function offer_plainly(u, request, nth, offers, open)
  local lane = open[1]
  local stream = #open == 1 and #lane.streams == 2 and lane.streams[2]
  if not stream or not stream.line or lane.copy.is_capped or u.claimable[stream.rid] then return false end
  if u.fresh_lines and u.fresh_lines[stream.rid] then return false end
  if redis.call('ZCARD', u.key.idx .. 'ready:' .. stream.rid) > (u.taken[stream.rid] or 0) then return false end
  local heads = named.heads(u, stream.key, stream.rid, stream.line.id, request[5])
  if not heads or #heads == 0 then return false end
  u.is_all_plain = false
  for _, each in ipairs(heads) do
    take_turn(u, lane, stream)
    offer(u, request, nth, offers, lane, stream, each[1], true, each[2])
  end
  return true
end

local function claim(u, request, nth, notes, offers)
  if not served.is_here(u, request[1]) then
    notes[#notes + 1] = { nth, 0, 'elsewhere', 0, 0 }
    return {}
  end
  -- Others brought routes that the caller has not met: one of them may be what the worker should have first.
  if request[9] < routes.version(u) then
    notes[#notes + 1] = { nth, 0, 'routes', 0, 0 }
    return {}
  end
  if request[7] then
    local again = served.held(u, request[1], request[3])
    if #again > 0 then return again end
  end
  local open = open_lanes(u, request, nth, notes)
  local streams = #open == 1 and open[1].streams
  local usual = streams and #streams == 1 and plain.claim(u, request, open[1].copy, streams[1].rid, BYTES_MAX)
  if usual then return usual end
  if u.lines and offer_plainly(u, request, nth, offers, open) then return {} end
  -- What it takes is still in the ready sets, so those after it take care as well.
  u.is_all_plain = false
  local list, room = {}, { skips = 4 * request[5] + SKIPS_MAX, bytes = BYTES_MAX }
  local lease = { '', request[1], request[3], request[2], request[4] }
  local offered_before = offers.count
  while #list + offers.count - offered_before < request[5] do
    local lane, x, stream = pick(u, open, room)
    if lane == nil then break end
    take_turn(u, lane, stream)
    local size = size_of(u, x)
    if size and stream.line then
      lane.taken = lane.taken + 1
      offer(u, request, nth, offers, lane, stream, record.id(u, x), demands.begins(x), x[X.demands])
    elseif size then
      if #list > 0 and size > room.bytes then break end
      room.bytes = room.bytes - size
      lane.taken = lane.taken + 1
      lease[1] = request[6] .. string.format('%012x', #list + 1)
      transition.active(u, x, lease)
      list[#list + 1] = x
    else
      -- Its upstreams or its journal do not decode: it stays where it is, for people to see.
      room.skips = room.skips - 1
    end
    step_over(stream)
  end
  for _, lane in ipairs(open) do pass_over(u, lane) end
  note_full(u, open, room, nth, notes)
  return list
end

-- `requests`: [instance, worker, claim, ttl, max, beginning of lease ids, is a repeat, lanes: [namespace/lane,
-- virtual time, epoch, credit and its number (0: nothing was lent for it), rids], version of the routes that it knows].
-- Answers the executions of each, to be described once they are written, what is to be known of lanes, and what is offered of
-- lines: [nth claim, line, beginning of lease ids, namespace, [quotas, budgets] each, [execution, number of its lease, begins an
-- attempt, place of what it asks] each].
function claims.run(u, requests)
  local answers, notes, offers = {}, {}, { count = 0 }
  if #requests == 0 then return answers, notes, {} end
  read_claimable(u)
  u.taken, u.is_all_plain = {}, true
  for place, request in ipairs(requests) do
    if #request[6] ~= 24 or request[5] > 256 then call.refuse('invalid_arguments', 'a claim') end
    answers[place] = claim(u, request, place, notes, offers)
  end
  offers.count = nil
  return answers, notes, offers
end

-- What each handed out, as `handed.describe` tells it.
function claims.describe(u, lists, bytes)
  local answers = {}
  for place, list in ipairs(lists) do
    local out = {}
    for nth, each in ipairs(list) do
      out[nth] = list.is_plain and handed.describe_plain(each, bytes) or handed.describe(u, each, bytes)
    end
    answers[place] = out
  end
  return answers
end
