-- What one call knows: its partition's key prefixes, the time, the numbers that go on from call to call, and what it has
-- read and will write. Nothing is written before `flush`, so whatever fails before it leaves the store as it was.

local LAYOUT = '1'

-- By the partition's `meta` key. Derived texts, so that it does not matter how long they are kept.
local prefixes = {}

local function prefixes_of(meta)
  local known = prefixes[meta]
  if known == nil then
    local root, tag = string.match(meta, '^([a-z0-9_-]+):idx:({[^{}]+}):meta$')
    if tag == nil then return nil end
    known = {
      root = root,
      tag = tag,
      meta = meta,
      exec = root .. ':exec:' .. tag .. ':',
      attempt = root .. ':attempt:' .. tag .. ':',
      flow = root .. ':flow:' .. tag .. ':',
      stream = root .. ':stream:' .. tag .. ':',
      waitpoint = root .. ':waitpoint:' .. tag .. ':',
      idx = root .. ':idx:' .. tag .. ':',
    }
    prefixes[meta] = known
  end
  return known
end

-- Raises an error of ours, before anything is written.
function call.refuse(code, detail)
  error({ ff = code, detail = detail or '' })
end

-- What it answers; or nil and true where what it reads does not decode, so that its neighbours are looked at all the same.
function call.read(read, u, id)
  local is_sound, found = sound.try(read, u, id)
  if is_sound then return found, false end
  return nil, true
end

-- What a call needs now and then: made when it is asked for, since most calls never do.
local TABLES = {
  strangers = true, gone = true, wheel = true, offered = true, lane_routes = true, repairs = true, misplaced = true,
  hidden = true, links = true, appends = true, flows_gone = true, stages = true, names = true, instances = true, groups = true,
  ins = true, outs = true, groups_dirty = true, fresh = true, entries = true, tuples = true, routes = true, flows = true,
  flow_ids = true, outside = true, lines_met = true, flows_dirty = true, histories = true, messages = true, carried = true,
}

local WITH_TABLES = {
  __index = function(u, name)
    if not TABLES[name] then return nil end
    local made = {}
    rawset(u, name, made)
    return made
  end,
}

-- Whether anything asked for such a table, or set it.
function call.has(u, name)
  return rawget(u, name) ~= nil
end

function call.begin(meta, header, argv)
  local key = prefixes_of(meta)
  if key == nil then call.refuse('invalid_arguments', 'the key is no partition') end
  local kept = redis.call('HMGET', meta, 'layout', 'time', 'seq', 'events', 'edges', 'routes', 'fault', 'lines')
  local now = tonumber(kept[2] or '')
  local is_virtual = now ~= nil
  if not is_virtual then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return setmetatable({
    key = key,
    layout = kept[1],
    is_virtual = is_virtual,
    now = now,
    seq = tonumber(kept[3]) or 0,
    events = tonumber(kept[4]) or 0,
    edges = tonumber(kept[5]) or 0,
    routes_version = tonumber(kept[6]) or 0,
    fault = kept[7],
    -- Whether any line of an admission key stands here.
    lines = kept[8] ~= false,
    inline = header[1],
    hop = header[2],
    edges_left = header[3],
    seed = header[4],
    tells = header[5],
    database = header[6],
    origin = header[7],
    argv = argv,
    records = {},
    slips = {},
    changed = {},
    dirty = {},
    lanes = {},
    lanes_by_route = {},
    news = { events = {}, ended = {}, attention = {}, due = nil },
  }, WITH_TABLES)
end

-- A partition that was never prepared, or by a library whose records this one cannot read, is left alone.
function call.require_layout(u)
  if u.layout ~= LAYOUT then call.refuse('schema_mismatch', u.layout or 'none') end
end

-- The next number of this partition: of a submission, an entry, anything that must be told apart and put in order.
function call.next_seq(u)
  u.seq = u.seq + 1
  u.seq_moved = true
  return u.seq
end

-- In [0, 1), from the caller's seed (which is no multiple of the modulus). Products stay below 2^53.
function call.random(u)
  u.seed = u.seed * 16807 % 2147483647
  return u.seed / 2147483647
end

-- The bytes at this place of what came along; place 0 stands for none.
function call.bytes(u, place)
  if place == 0 then return false end
  local bytes = u.argv[place + 1]
  if bytes == nil then call.refuse('invalid_arguments', 'bytes are missing') end
  return bytes
end
