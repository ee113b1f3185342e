--- Of the next `look` entries before a place, the newest first, up to `max` that are of this namespace, actor and subject; '' is any.
-- `atMs` -1 begins with the newest. Answers where the look ended, and whether there may be more behind that.
-- @flags no-writes
-- @args atMs: number, action: string, namespace: string, actor: string, subject: string, max: int, look: int
-- @reply [entries: [action: string, record: unknown[]][], atMs: number, action: string, more: boolean]
-- @errors corruption schema_mismatch
local LOOK_MAX = 1000

local function names(subjects, wanted)
  for _, subject in ipairs(subjects) do
    if subject == wanted then return true end
  end
  return false
end

local function is_wanted(entry, a)
  return (a[3] == '' or entry[audit.NAMESPACE] == a[3]) and (a[4] == '' or entry[audit.ACTOR] == a[4])
    and (a[5] == '' or names(entry[audit.SUBJECTS], a[5]))
end

return function(u, a)
  local look = math.min(a[7], LOOK_MAX)
  local ids = audit.before(u, a[1], a[2], look)
  local list, at, id = {}, a[1], a[2]
  for _, each in ipairs(directory.records(u, 'audit', ids)) do
    if #list == a[6] then return { list, at, id, true } end
    if is_wanted(each[2], a) then list[#list + 1] = each end
    at, id = each[2][audit.AT], each[1]
  end
  return { list, at, id, #ids == look }
end
