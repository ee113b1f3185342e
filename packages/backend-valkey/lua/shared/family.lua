-- Parents and children, which may live in different partitions: what the one is to tell the other is an entry of the outbox,
-- written by the step that causes it: [kind, '', '', 0, 0, failures, when, what]. Kinds and what they say:
-- l a child was submitted: [namespace, child, parent, 'l' or 'd']; v somebody waits for its end: [namespace, child, who waits];
-- e it has ended: [namespace, child, generation, letter of its outcome]; t a parent was stopped: [namespace, parent, generation].
-- Ids are whole: an execution's names its partition, a flow's has 36 characters. A parent has a hash of its children, id →
-- [linked, detached, generation of the end or 0, its letter or '', whether the end is known] packed, and a set of those that go
-- when it is stopped; a child a set of who is to be told of its end, which outlives its record.

local ID_LENGTH = 36
local STOPPED = { x = true, e = true, k = true }
-- Of the recorded outcome, by the letter of the public state, or of the flow's.
local OUTCOMES = { c = 's', f = 'f', x = 'c', e = 'e', k = 'k' }

-- A parent as submissions state it.
function family.is_parent(text)
  return type(text) == 'string' and string.find(text, '^[ld]{fp:%d+}:') ~= nil and #string.match(text, '}:(.*)$') == ID_LENGTH
end

local function whole(u, id)
  return u.key.tag .. ':' .. id
end

local function put(u, kind, what)
  outbox.put(u, { kind, '', '', 0, 0, 0, 0, what })
end

local function link(u, ns, child, parent)
  put(u, 'l', { ns, child, string.sub(parent, 2), string.sub(parent, 1, 1) })
end

function family.child_created(u, x, parent)
  waits.open(u, x)[V.parent] = parent
  link(u, routes.of(u, x[X.rid]).ns, whole(u, record.id(u, x)), parent)
end

-- Of a flow's record, or nil where there is no parent.
function family.of_flow(parent)
  if parent == nil or parent == '' then return nil end
  if not family.is_parent(parent) then call.refuse('invalid_arguments', 'a parent') end
  return { parent, 0 }
end

function family.flow_created(u, f)
  if f[F.family][1] ~= '' then link(u, f[F.ns], u.flow_ids[f], f[F.family][1]) end
end

-- ---- Of a child: who is to be told

-- The set of who is to be told of the end of this child of the partition.
function family.watchers(u, child)
  if #child == ID_LENGTH then return flows.key(u, child, 'watchers') end
  return u.key.exec .. string.sub(child, -ID_LENGTH) .. ':watchers'
end

local function tell_of_end(u, ns, child, generation, outcome, parent)
  if parent ~= '' then flush.staged(u).add(family.watchers(u, child), 0, string.sub(parent, 2)) end
  put(u, 'e', { ns, child, generation, outcome })
end

-- In an execution's terminal step.
function family.ended(u, x, public)
  local w = x[X.waits]
  if w[V.parent] ~= '' or w[V.watched] == 1 then
    tell_of_end(u, routes.of(u, x[X.rid]).ns, whole(u, record.id(u, x)), x[X.generation], OUTCOMES[public], w[V.parent])
    if w[V.parent] ~= '' then w[V.watched] = 1 end
  end
  if w[V.children] == 1 and STOPPED[public] and redis.call('EXISTS', waits.key(u, x, 'to_stop')) == 1 then family.stop(u, x) end
end

function family.flow_ended(u, f)
  local known = f[F.family]
  if known[1] == '' and known[2] == 0 then return end
  tell_of_end(u, f[F.ns], u.flow_ids[f], f[F.generation], OUTCOMES[f[F.state]], known[1])
  known[2] = 1
end

-- Somebody waits for its end. Answers whether there is anything to wait for: one that is gone may have its end on its way.
function family.watch(u, ns, child, watcher)
  local is_flow, key = #child == ID_LENGTH, family.watchers(u, child)
  local x, f
  if is_flow then
    f = flows.get(u, child)
    if f and f[F.ns] ~= ns then f = nil end
  else
    x = record.get(u, string.sub(child, -ID_LENGTH))
    if x and routes.of(u, x[X.rid]).ns ~= ns then x = nil end
  end
  if not x and not f and redis.call('EXISTS', key) == 0 then return false end
  flush.staged(u).add(key, 0, watcher)
  if x then
    waits.open(u, x)[V.watched] = 1
    local public = state.public(x)
    if state.ended[public] then tell_of_end(u, ns, child, x[X.generation], OUTCOMES[public], '') end
  elseif f then
    flows.touch(u, f)
    f[F.family] = f[F.family] or { '', 0 }
    f[F.family][2] = 1
    if flows.is_ended(f) then tell_of_end(u, ns, child, f[F.generation], OUTCOMES[f[F.state]], '') end
  end
  return true
end

-- Whether a child runs again since an end that is still to be told.
function family.is_past(u, child, generation)
  if #child == ID_LENGTH then
    local f = flows.get(u, child)
    return f and f[F.generation] ~= generation
  end
  local x = record.get(u, string.sub(child, -ID_LENGTH))
  return x and x[X.generation] ~= generation
end

-- Nobody is left to be told.
function family.unwatch(u, child)
  if #child == ID_LENGTH then
    local f = flows.get(u, child)
    if f and f[F.family] then
      flows.touch(u, f)
      f[F.family][2] = 0
    end
    return
  end
  local x = record.get(u, string.sub(child, -ID_LENGTH))
  if x and x[X.waits] then waits.open(u, x)[V.watched] = 0 end
end

-- ---- Of a parent: its children

local function read(u, x, child)
  if not x[X.waits] or x[X.waits][V.children] == 0 then return nil end
  local key = waits.key(u, x, 'children')
  local text = redis.call('HGET', key, child)
  if not text then return nil end
  local ok, row = pcall(cmsgpack.unpack, text)
  if not ok or type(row) ~= 'table' or #row ~= 5 then call.refuse('corruption', key) end
  return row
end

local function write(u, x, child, row)
  waits.open(u, x)[V.children] = 1
  local staged, key, to_stop = flush.staged(u), waits.key(u, x, 'children'), waits.key(u, x, 'to_stop')
  staged.hashes[key] = staged.hashes[key] or {}
  local fields = staged.hashes[key]
  fields[#fields + 1] = child
  fields[#fields + 1] = cmsgpack.pack(row)
  if row[1] == 1 and row[2] == 0 and row[5] == 0 then staged.add(to_stop, 0, child) else staged.cut(to_stop, child) end
end

local function is_stopped(x)
  return state.is_terminal(x) and STOPPED[state.public(x)] == true
end

-- Children that still run, and are not detached, are to be cancelled.
function family.stop(u, x)
  put(u, 't', { routes.of(u, x[X.rid]).ns, whole(u, record.id(u, x)), x[X.generation] })
end

-- It has a child. Twice changes nothing.
function family.link(u, x, child, is_detached)
  local row = read(u, x, child) or { 0, 1, 0, '', 0 }
  if row[1] == 1 then return end
  row[1], row[2] = 1, is_detached and 1 or 0
  write(u, x, child, row)
  if is_stopped(x) and row[2] == 0 and row[5] == 0 then family.stop(u, x) end
end

-- It waits for the end of one; of which that has ended, [id, generation, letter].
function family.known_end(u, x, child)
  local row = read(u, x, child)
  return row and row[5] == 1 and { child, row[3], row[4] } or nil
end

-- It waits for the end of one: asked for, where nothing is known of it.
function family.await(u, x, child)
  if read(u, x, child) then return end
  write(u, x, child, { 0, 1, 0, '', 0 })
  put(u, 'v', { routes.of(u, x[X.rid]).ns, child, whole(u, record.id(u, x)) })
end

-- It waits for the ends of these, and has for long. A primary that went may have taken along the child, or that somebody waits
-- for it: so whoever has nothing to tell is asked again.
function family.await_again(u, x, children)
  for _, child in ipairs(children) do
    if not family.known_end(u, x, child) then
      put(u, 'v', { routes.of(u, x[X.rid]).ns, child, whole(u, record.id(u, x)) })
    end
  end
end

-- Whether an end is no news, by its generation.
function family.knows(u, x, child, generation)
  local row = read(u, x, child)
  return row ~= nil and row[5] == 1 and row[3] >= generation
end

function family.note_end(u, x, child, generation, outcome)
  local row = read(u, x, child) or { 0, 1, 0, '', 0 }
  row[3], row[4], row[5] = generation, outcome, 1
  write(u, x, child, row)
end

-- Whether its children are to be stopped because of this generation's end.
function family.is_to_stop(x, generation)
  return x and state.is_terminal(x) and x[X.generation] == generation
end
