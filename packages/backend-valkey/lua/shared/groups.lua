-- Joins: what a node waits for. `group` holds the counters and a letter per upstream, `in` who the upstreams are and
-- under which names they hand results down, `out` where a node's own edges lead. The last two never change, but for
-- growth.

-- One that does not decode is refused, unless the caller has a table for such ids: then it is put there, and stays
-- unread.
local function load_list(u, cache, what, ids, bad)
  local wanted, keys = {}, {}
  for _, id in ipairs(ids) do
    if cache[id] == nil then
      cache[id] = false
      wanted[#wanted + 1] = id
      keys[#keys + 1] = u.key.exec .. id .. ':' .. what
    end
  end
  for from = 1, #keys, 1000 do
    local to = math.min(from + 999, #keys)
    local found = redis.call('MGET', unpack(keys, from, to))
    local absent = {}
    for place = from, to do
      if not found[place - from + 1] then absent[#absent + 1] = keys[place] end
    end
    local held = foreign.among(absent)
    for place = from, to do
      local id, text = wanted[place], found[place - from + 1]
      if text or (held and held[keys[place]]) then
        local ok, value = pcall(cmsgpack.unpack, text)
        if ok and type(value) == 'table' then
          cache[id] = value
        else
          if bad == nil then call.refuse('corruption', keys[place]) end
          bad[id] = true
          cache[id] = nil
        end
      end
    end
  end
end

function groups.load(u, ids, bad)
  load_list(u, u.groups, 'group', ids, bad)
end

-- The group of a node, or false.
function groups.get(u, id)
  if u.groups[id] == nil then groups.load(u, { id }) end
  return u.groups[id]
end

-- Upstreams of a node: [uuid, name or ''] each, by their place in its group.
function groups.ins(u, id)
  if u.ins[id] == nil then load_list(u, u.ins, 'in', { id }) end
  return u.ins[id] or {}
end

function groups.load_ins(u, ids)
  load_list(u, u.ins, 'in', ids)
end

-- Downstreams of a node: [uuid, place in that one's group] each.
function groups.outs(u, id)
  if u.outs[id] == nil then load_list(u, u.outs, 'out', { id }) end
  return u.outs[id] or {}
end

function groups.load_outs(u, ids, bad)
  load_list(u, u.outs, 'out', ids, bad)
end

function groups.touch(u, id)
  if not u.groups_dirty[id] then
    u.groups_dirty[id] = true
    u.groups_dirty[#u.groups_dirty + 1] = id
  end
end

function groups.create(u, id, g)
  u.groups[id] = g
  groups.touch(u, id)
end

function groups.cell(g, place)
  return string.sub(g[G.cells], place, place)
end

local BUCKETS = { s = G.ok, f = G.failed, k = G.skipped }

-- Puts a letter into a cell, and keeps the counters.
function groups.set_cell(u, id, g, place, letter)
  local before = groups.cell(g, place)
  if before == letter then return end
  groups.touch(u, id)
  local cells = g[G.cells]
  g[G.cells] = string.sub(cells, 1, place - 1) .. letter .. string.sub(cells, place + 1)
  if BUCKETS[before] then g[BUCKETS[before]] = g[BUCKETS[before]] - 1 end
  if BUCKETS[letter] then g[BUCKETS[letter]] = g[BUCKETS[letter]] + 1 end
end

-- All cells at once.
function groups.set_cells(u, id, g, letters)
  groups.touch(u, id)
  g[G.cells] = table.concat(letters)
  for _, bucket in pairs(BUCKETS) do g[bucket] = 0 end
  for _, letter in ipairs(letters) do
    local bucket = BUCKETS[letter]
    if bucket then g[bucket] = g[bucket] + 1 end
  end
end

-- How an end counts: by the letter of its terminal outcome.
local COUNTED = { s = 's', k = 'k', f = 'f', c = 'f', e = 'f' }

function groups.letter_of(x)
  return COUNTED[x[X.out]]
end

-- The pending tuple of a fired group goes.
function groups.clear_cancel(u, id, g)
  groups.touch(u, id)
  g[G.pending] = 0
  g[G.exempt] = ''
  u.tuples[#u.tuples + 1] = { g[G.flow] .. '|' .. id, false }
end

-- ---- Rules, the same as core's `decisions/join` and `decisions/need`

-- A stored policy without a kind is `all_of`; one that says nothing of the others does by default what its kind does.
local KINDS = { a = true, n = true, q = true, [''] = true }
local RUN_ON = { s = true, i = true, a = true }
local ON_DECIDED = { c = true, l = true, [''] = true }

-- What this version does not know is never read as something else: its group stays pending.
function groups.is_known(g)
  return KINDS[g[G.kind]] and RUN_ON[g[G.run_on]] and ON_DECIDED[g[G.on_decided]] or false
end

function groups.is_complete(g)
  return g[G.n] > 0 and g[G.ok] + g[G.failed] + g[G.skipped] == g[G.n]
end

-- p, s or i.
function groups.decide(g)
  local n = g[G.n]
  if n == 0 or (g[G.run_on] == 'a' and not groups.is_complete(g)) then return 'p' end
  local lost = g[G.failed] + g[G.skipped]
  if g[G.kind] == 'a' or g[G.kind] == '' then return g[G.ok] == n and 's' or (lost > 0 and 'i' or 'p') end
  local k = g[G.kind] == 'n' and 1 or g[G.k]
  return g[G.ok] >= k and 's' or (lost > n - k and 'i' or 'p')
end

function groups.runs(g)
  return g[G.run_on] == 'a' or g[G.run_on] == g[G.state]
end

-- s or i when the decision cancels upstreams that still run, otherwise ''.
function groups.cancel_reason(g)
  if g[G.kind] == 'a' or g[G.kind] == '' then return g[G.on_decided] == 'c' and g[G.state] == 'i' and 'i' or '' end
  return g[G.on_decided] == 'l' and '' or g[G.state]
end

function groups.stage(u, staged)
  for _, id in ipairs(u.groups_dirty) do
    staged.writes[#staged.writes + 1] = u.key.exec .. id .. ':group'
    staged.writes[#staged.writes + 1] = cmsgpack.pack(u.groups[id])
  end
  u.groups_dirty = {}
end
