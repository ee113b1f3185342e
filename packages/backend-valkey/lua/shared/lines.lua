-- Lines of admission keys. What names quotas or budgets is not among the ready of its route, but in a queue of its route and its
-- line; and `lines:<route>` has the lines of a route that may be looked at, by how urgent their heads are, then by whose turn it
-- is. A line that has a refused head is parked: it is in none of them, however long it is. One whose heads a claim has been offered
-- is in none either, until that claim says what became of them, or ten seconds have passed: then `offers` says so.
--
-- The hash `lines` has of each line [turn, refused head or '', offer or '', its end, 1: woken meanwhile, routes], as long as there is
-- anything in it; `lines` of `meta` says if any line is there. The hash `turns` has the turns of what is in no line, by route.

local OFFER_MS = 10000
local LINE_LENGTH = 20

local function hash_key(u)
  return u.key.idx .. 'lines'
end

local function turns_key(u)
  return u.key.idx .. 'turns'
end

local function queue_key(u, rid, lid)
  return u.key.idx .. 'queue:' .. rid .. ':' .. lid
end

local function open_key(u, rid)
  return u.key.idx .. 'lines:' .. rid
end

function lines.is_id(text)
  return type(text) == 'string' and #text == LINE_LENGTH and not string.find(text, '%X')
end

-- The name of the queue that an execution belongs to.
function lines.queue(x)
  local lid = x[X.demands][D.line]
  if lid == '' then return 'ready:' .. x[X.rid] end
  return 'queue:' .. x[X.rid] .. ':' .. lid
end

-- Where it is, as `project` has it: its route where it is in no line, its line where it waits in it, `!` and the line as its refused head.
function lines.place_of(x)
  local lid, elig = x[X.demands][D.line], x[X.elig]
  if elig == 'e' then return lid == '' and x[X.rid] or lid end
  return lid ~= '' and (elig == 'q' or elig == 'b') and '!' .. lid
end

function lines.get(u, lid)
  local line = u.lines_met[lid]
  if line then return line end
  local text = redis.call('HGET', hash_key(u), lid)
  line = { id = lid, turn = 0, head = '', offer = '', till = 0, is_woken = false, rids = {}, queues = {}, was_offered = false }
  if text then
    local ok, row = pcall(cmsgpack.unpack, text)
    if not ok or type(row) ~= 'table' or #row ~= 6 then call.refuse('corruption', hash_key(u) .. ' ' .. lid) end
    line.turn, line.head, line.offer, line.till, line.is_woken = row[1], row[2], row[3], row[4], row[5] == 1
    for _, rid in ipairs(row[6]) do line.rids[rid] = true end
    line.is_stored, line.was_offered = true, line.offer ~= ''
  else
    -- At the end of those that wait for their turn.
    line.turn = call.next_seq(u)
  end
  line.turn_was = line.turn
  u.lines_met[lid] = line
  u.lines_met[#u.lines_met + 1] = line
  return line
end

local function queue_of(line, rid)
  local queue = line.queues[rid]
  if queue == nil then
    queue = { add = {}, cut = {} }
    line.queues[rid], line.rids[rid] = queue, true
  end
  return queue
end

-- An execution comes, goes, or is another place in the order of its line; or becomes its refused head, or is that no more.
function lines.moved(u, staged, x, id, member, was, now, score)
  local lid = x[X.demands][D.line]
  if lid == '' or was == x[X.rid] or now == x[X.rid] then
    local plan = flush.plan(staged, x[X.rid])
    if now == x[X.rid] then
      plan.add[#plan.add + 1] = score
      plan.add[#plan.add + 1] = member
    elseif was == x[X.rid] then
      plan.cut[#plan.cut + 1] = member
    end
    if lid == '' then return end
  end
  local line = lines.get(u, lid)
  if was == '!' .. lid and line.head == id then line.head = '' end
  if now == '!' .. lid then line.head = id end
  if was == lid and now ~= lid then
    local cut = queue_of(line, x[X.rid]).cut
    cut[#cut + 1] = member
  end
  if now == lid then
    local add = queue_of(line, x[X.rid]).add
    add[#add + 1] = score
    add[#add + 1] = member
  end
end

-- What is in its queue and does not belong there.
function lines.cut(line, rid, member)
  local cut = queue_of(line, rid).cut
  cut[#cut + 1] = member
end

-- How many lines of the route may be looked at.
function lines.count(u, rid)
  return redis.call('ZCARD', open_key(u, rid))
end

-- The first of the line whose turn it is: a list of its member, or of nothing.
function lines.first(u, rid)
  local found = redis.call('ZRANGE', open_key(u, rid), 0, 0)
  if not found[1] then return {} end
  return redis.call('ZRANGE', queue_key(u, rid, string.sub(found[1], 12)), 0, 0)
end

-- Lines of a route, those whose turn it is first: [bucket, line] each.
function lines.of_route(u, rid, max)
  local found, list = redis.call('ZRANGE', open_key(u, rid), 0, max - 1, 'WITHSCORES'), {}
  for place = 1, #found, 2 do
    list[#list + 1] = { tonumber(found[place + 1]), lines.get(u, string.sub(found[place], 12)) }
  end
  return list
end

-- The queues of the route whose lines may be looked at.
function lines.open_queues(u, rid, max)
  local keys = redis.call('ZRANGE', open_key(u, rid), 0, max - 1)
  for place, member in ipairs(keys) do keys[place] = queue_key(u, rid, string.sub(member, 12)) end
  return keys
end

function lines.queue_key(u, rid, line)
  return queue_key(u, rid, line.id)
end

-- What is equally urgent is in the same bucket; smaller ones are more urgent.
function lines.bucket(lane, score)
  return math.floor(score / lanes.step(lane))
end

-- Of the work of a route that is in no line.
function lines.turn_of_route(u, rid)
  return tonumber(redis.call('HGET', turns_key(u), rid) or '0')
end

function lines.set_turn_of_route(u, rid, turn)
  u.route_turns = u.route_turns or {}
  u.route_turns[rid] = turn
end

-- ---- Offers

function lines.offer(u, line, token)
  line.offer, line.till, line.is_woken = token, u.now + OFFER_MS, false
end

-- It is over. Answers whether room was made meanwhile; nil where the offer is not that one any more.
function lines.close_offer(u, lid, token)
  local line = lines.get(u, lid)
  if line.offer ~= token then return nil end
  local is_woken = line.is_woken
  line.offer, line.till, line.is_woken = '', 0, false
  return is_woken
end

-- Whoever was offered its heads cannot have them any more.
function lines.withdraw(u, lid, token)
  local line = lines.get(u, lid)
  if line.offer ~= '' and line.offer == token then line.offer, line.till, line.is_woken = '', 0, false end
end

-- There may be room for its head.
function lines.wake(u, lid)
  local line = lines.get(u, lid)
  if line.offer ~= '' then line.is_woken = true end
  if line.head == '' then return end
  local x = record.get(u, line.head)
  if not x or (x[X.elig] ~= 'q' and x[X.elig] ~= 'b') then
    line.head = ''
    return
  end
  transition.touch(u, x)
  x[X.demands][D.refused] = 0
  transition.rejudge(u, x)
end

function lines.has_lapsed(u)
  local first = redis.call('ZRANGE', u.key.idx .. 'offers', 0, 0, 'WITHSCORES')
  return first[2] ~= nil and tonumber(first[2]) <= u.now
end

function lines.lapse(u)
  for _, lid in ipairs(redis.call('ZRANGE', u.key.idx .. 'offers', '-inf', u.now, 'BYSCORE', 'LIMIT', 0, 100)) do
    local line = lines.get(u, lid)
    if line.till <= u.now then line.offer, line.till, line.is_woken = '', 0, false end
    line.was_offered = true
  end
end

-- ---- Part of the flush

function lines.stage(u, staged)
  for _, line in ipairs(u.lines_met) do
    for rid in pairs(line.rids) do
      flush.plan(staged, rid).has_lines = true
      routes.of(u, rid)
    end
  end
end

function lines.probe(u)
  redis.call('HLEN', hash_key(u))
  redis.call('HLEN', turns_key(u))
  redis.call('ZCARD', u.key.idx .. 'offers')
  for _, line in ipairs(u.lines_met) do
    for rid in pairs(line.rids) do
      redis.call('ZCARD', queue_key(u, rid, line.id))
      redis.call('ZCARD', open_key(u, rid))
    end
  end
end

-- By how many lines that may be looked at the route has grown.
function lines.grown(u, rid)
  return u.lines_grown and u.lines_grown[rid] or 0
end

local function write_line(u, line)
  local member_was = string.format('%011x', line.turn_was) .. line.id
  local member = string.format('%011x', line.turn) .. line.id
  local is_open, rids = line.head == '' and line.offer == '', {}
  for rid in pairs(line.rids) do
    local key, open, queue = queue_key(u, rid, line.id), open_key(u, rid), line.queues[rid]
    if queue then
      flush.change(key, queue)
    end
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    local grown = 0
    if not is_open or not first[1] or member ~= member_was then grown = -redis.call('ZREM', open, member_was) end
    if first[1] then
      rids[#rids + 1] = rid
      if is_open then
        local lane = lanes.of(u, routes.of(u, rid).key)
        grown = grown + redis.call('ZADD', open, lines.bucket(lane, tonumber(first[2])), member)
      end
    end
    u.lines_grown[rid] = (u.lines_grown[rid] or 0) + grown
  end
  line.queues = {}
  if line.offer ~= '' then redis.call('ZADD', u.key.idx .. 'offers', line.till, line.id)
  elseif line.was_offered then redis.call('ZREM', u.key.idx .. 'offers', line.id) end
  if #rids == 0 and line.head == '' and line.offer == '' then
    redis.call('HDEL', hash_key(u), line.id)
  else
    redis.call('HSET', hash_key(u), line.id,
      cmsgpack.pack({ line.turn, line.head, line.offer, line.till, line.is_woken and 1 or 0, rids }))
  end
end

function lines.write(u)
  u.lines_grown = {}
  for _, line in ipairs(u.lines_met) do write_line(u, line) end
  if u.route_turns then
    for rid, turn in pairs(u.route_turns) do redis.call('HSET', turns_key(u), rid, turn) end
    u.route_turns = nil
  end
  local left = redis.call('HLEN', hash_key(u))
  if left > 0 and not u.lines then redis.call('HSET', u.key.meta, 'lines', 1) end
  if left == 0 and u.lines then
    redis.call('HDEL', u.key.meta, 'lines')
    redis.call('UNLINK', turns_key(u))
  end
  u.lines = left > 0
end
