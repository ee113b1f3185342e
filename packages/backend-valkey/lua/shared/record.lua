-- Executions as they are stored: a length, a MessagePack array (see `layouts.mjs`), and behind it the result and the
-- input where they are short. Long ones have keys of their own, so that a claim or an end does not write them again.

local BYTES_IN_RECORD = 512
local CHUNK = 1000
local NONE, INSIDE, OUTSIDE = 0, 1, 2
-- In a slip: the payload is as it is stored.
local AS_STORED = 0

function record.key(u, id)
  return u.key.exec .. id .. ':core'
end

function record.payload_key(u, id, what)
  return u.key.exec .. id .. ':' .. what
end

function record.id(u, x)
  return u.slips[x][S.id]
end

-- Whether this call has changed it since it was last written.
function record.is_dirty(u, x)
  return u.slips[x][S.dirty]
end

-- In the order of `layouts.mjs`.
local function slip(id, tail, text, is_dirty)
  return {
    id, tail, text, is_dirty, false, 0, 0, false, 0, false, false, 0, false, 0, false, AS_STORED, AS_STORED, 0, false, false,
  }
end

-- Keeps what was read. Raises an error for what is no record.
local function take(u, id, text)
  local after, x = cmsgpack.unpack_one(text, 4)
  if type(x[X.capped]) ~= 'number' then error(id) end
  u.slips[x] = slip(id, after < 0 and '' or string.sub(text, after + 1), text, false)
  return x
end

local function take_all(u, ids, texts)
  for place = 1, #ids do
    local text = texts[place]
    if text then u.records[ids[place]] = take(u, ids[place], text) end
  end
end

-- One by one, since one of them is no record: it is refused, or named in `bad` and remains unread.
local function take_good(u, ids, texts, bad)
  for place = 1, #ids do
    local id, text = ids[place], texts[place]
    if text then
      local ok, x = pcall(take, u, id, text)
      if not ok and bad == nil then call.refuse('corruption', record.key(u, id)) end
      if ok then
        u.records[id] = x
      else
        bad[id] = true
        u.records[id] = nil
      end
    end
  end
end

-- Nobody is told of parts of a graph that has not been committed.
local function hide(u, ids)
  for place = 1, #ids do
    local x = u.records[ids[place]]
    if x and x[X.staged] == 1 and staging.hides(u, x) then
      u.hidden[ids[place]] = x
      u.records[ids[place]] = false
    end
  end
end

-- The records of these ids as they are stored, false for what is not there.
function record.fetch(u, ids)
  local exec, keys, n = u.key.exec, {}, #ids
  if n == 0 then return {} end
  for place = 1, n do keys[place] = exec .. ids[place] .. ':core' end
  if n <= CHUNK then return redis.call('MGET', unpack(keys)) end
  local texts = {}
  for from = 1, n, CHUNK do
    for _, text in ipairs(redis.call('MGET', unpack(keys, from, math.min(from + CHUNK - 1, n)))) do texts[#texts + 1] = text end
  end
  return texts
end

-- Keys of another type are found by nobody: they are as bad as what does not decode.
local function look_for_foreign(u, ids, texts, bad)
  local absent = {}
  for place = 1, #ids do
    if not texts[place] then absent[#absent + 1] = record.key(u, ids[place]) end
  end
  local held = foreign.among(absent)
  if not held then return end
  for _, id in ipairs(ids) do
    if held[record.key(u, id)] then
      if bad == nil then call.refuse('corruption', record.key(u, id)) end
      bad[id] = true
      u.records[id] = nil
    end
  end
end

-- Keeps what was fetched, as `load` does.
function record.keep_all(u, ids, texts, bad)
  for place = 1, #ids do u.records[ids[place]] = false end
  if not pcall(take_all, u, ids, texts) then take_good(u, ids, texts, bad) end
  look_for_foreign(u, ids, texts, bad)
  hide(u, ids)
end

-- Keeps that there is nothing under these ids, if so; else reads what there is.
function record.expect_none(u, ids)
  local keys = {}
  for place = 1, #ids do keys[place] = record.key(u, ids[place]) end
  if #ids > CHUNK or next(u.changed) or redis.call('EXISTS', unpack(keys)) > 0 then return record.load(u, ids) end
  for _, id in ipairs(ids) do u.records[id] = u.records[id] or false end
end

-- Reads those that this call has not read yet: one command for all. One that does not decode is refused, unless the caller
-- has a table for such ids: then it is put there, and remains unread, so that nobody takes it for nothing.
function record.load(u, ids, bad)
  local records, changed = u.records, u.changed
  local wanted, n = {}, 0
  for place = 1, #ids do
    local id = ids[place]
    if records[id] == nil then
      if changed[id] then
        records[id] = take(u, id, changed[id])
      else
        records[id] = false
        n = n + 1
        wanted[n] = id
      end
    end
  end
  if n > 0 then record.keep_all(u, wanted, record.fetch(u, wanted), bad) end
end

-- The execution, or false.
function record.get(u, id)
  if u.records[id] == nil then record.load(u, { id }) end
  return u.records[id]
end

function record.require(u, id)
  local x = record.get(u, id)
  if not x then call.refuse('corruption', record.key(u, id)) end
  return x
end

-- What is stored under the id, also where nobody is told of it yet.
function record.is_taken(u, id)
  return record.get(u, id) or u.hidden[id]
end

function record.create(u, id, x)
  u.records[id] = x
  u.slips[x] = slip(id, '', false, true)
  u.dirty[#u.dirty + 1] = x
  routes.use(u, x[X.rid])
end

-- To be called before the first change: remembers in which indexes it is. Answers its slip.
function record.touch(u, x)
  local s = u.slips[x]
  if s[S.dirty] then return s end
  s[S.dirty], s[S.text] = true, false
  s[S.ready], s[S.score], s[S.timer], s[S.instance], s[S.expires], s[S.class], s[S.cell], s[S.kept] = project.of(x)
  s[S.said], s[S.generation] = x[X.staged] ~= 1 and s[S.cell], x[X.generation]
  u.dirty[#u.dirty + 1] = x
  return s
end

-- Has the flush write the difference to what the indexes were seen to hold.
function record.correct(u, x, seen)
  local s = record.touch(u, x)
  for place = W.ready, W.kept do s[S.ready + place - 1] = seen[place] end
end

-- ---- Result and input

local function place_of(bytes)
  if not bytes then return NONE, 0 end
  if #bytes > BYTES_IN_RECORD then return OUTSIDE, 0 end
  return INSIDE, #bytes
end

-- `bytes` is false for none. What stood outside goes with the flush.
function record.set_result(u, x, bytes)
  if x[X.result] == NONE and not bytes then return end
  local s = u.slips[x]
  if s[S.result] == AS_STORED then
    s[S.result_len] = x[X.result_len]
    s[S.result_outside] = x[X.result] == OUTSIDE
  end
  s[S.result] = bytes
  x[X.result], x[X.result_len] = place_of(bytes)
end

function record.set_input(u, x, bytes)
  local s = u.slips[x]
  if s[S.input] == AS_STORED then s[S.input_outside] = x[X.input] == OUTSIDE end
  s[S.input] = bytes
  x[X.input], x[X.input_len] = place_of(bytes)
end

local function stored_result(s, x)
  return string.sub(s[S.tail], 1, x[X.result_len])
end

local function stored_input(s, x)
  local from = s[S.result] == AS_STORED and x[X.result_len] or s[S.result_len]
  return string.sub(s[S.tail], from + 1, from + x[X.input_len])
end

-- The bytes where this call knows them, true where they are outside, false where there are none.
function record.payload(u, x, what)
  local s = u.slips[x]
  local changed, kind = s[S.input], x[X.input]
  if what == 'result' then changed, kind = s[S.result], x[X.result] end
  if changed ~= AS_STORED then return changed end
  if kind == NONE then return false end
  if kind == OUTSIDE then
    local fresh = u.outside[s[S.id]]
    return fresh and fresh[what] or true
  end
  return what == 'result' and stored_result(s, x) or stored_input(s, x)
end

-- How many bytes are in the record beside its fields, about.
function record.tail_size(u, x)
  local s = u.slips[x]
  return #s[S.tail] + (s[S.input] and s[S.input] ~= AS_STORED and #s[S.input] or 0)
end

-- A payload gets a key of its own: this call knows it from then on.
function record.put_outside(u, writes, id, what, bytes)
  writes[#writes + 1] = record.payload_key(u, id, what)
  writes[#writes + 1] = bytes
  local fresh = u.outside[id] or {}
  u.outside[id], fresh[what] = fresh, bytes
end

-- The tail as it is to be stored. `writes` and `unlinks` get what lies outside.
local function tail_of(u, s, x, writes, unlinks)
  local result, input = s[S.result], s[S.input]
  if x[X.result] == OUTSIDE and result ~= AS_STORED then
    record.put_outside(u, writes, s[S.id], 'result', result)
  elseif s[S.result_outside] and result ~= AS_STORED then
    unlinks[#unlinks + 1] = record.payload_key(u, s[S.id], 'result')
  end
  if x[X.input] == OUTSIDE and input ~= AS_STORED then
    record.put_outside(u, writes, s[S.id], 'input', input)
  elseif s[S.input_outside] and input ~= AS_STORED then
    unlinks[#unlinks + 1] = record.payload_key(u, s[S.id], 'input')
  end
  local head = x[X.result] == INSIDE and (result ~= AS_STORED and result or stored_result(s, x)) or ''
  local rest = x[X.input] == INSIDE and (input ~= AS_STORED and input or stored_input(s, x)) or ''
  s[S.result], s[S.input], s[S.result_outside], s[S.input_outside] = AS_STORED, AS_STORED, false, false
  return head .. rest
end

-- Lengths as they stand before the fields: the same few again and again.
local lengths = {}

function record.length(n)
  local text = lengths[n]
  if text == nil then
    text = struct.pack('>I4', n)
    if n < 4096 then lengths[n] = text end
  end
  return text
end

-- What is stored now.
function record.encode(u, s, x, writes, unlinks)
  if s[S.result] ~= AS_STORED or s[S.input] ~= AS_STORED then s[S.tail] = tail_of(u, s, x, writes, unlinks) end
  local head = cmsgpack.pack(x)
  local text = record.length(#head) .. head .. s[S.tail]
  s[S.text] = text
  return text
end

-- The record as it is stored, of one that this call did not change, or has written.
function record.stored(u, x)
  return u.slips[x][S.text] or call.refuse('internal', 'a record that is not written yet')
end
