-- In which indexes an execution is, as its record has it. The flush writes the difference between what this said when the
-- record was read and what it says at the end, so no function names an index, and the reconciler asks the same question.
-- Answered by place, see `layouts.mjs`, without a table: it is asked twice for each record of each call.

-- Listings: what is open, what ended well (completed, skipped), what ended otherwise.
local CLASSES = { c = 'ended', k = 'ended', f = 'bad', x = 'bad', e = 'bad' }

-- Nodes that nobody is told of yet are counted under this letter, so that their routes stay as long as they do. It is no
-- public state: whoever tells counts leaves it out.
project.HIDDEN = 'h'

-- Of what is in no index.
function project.nothing()
  return false, 0, 0, false, 0, false, false, 0
end

function project.of(x)
  if x[X.staged] == 1 then return false, 0, 0, false, 0, false, project.HIDDEN, 0 end
  local phase = x[X.phase]
  if phase == 't' then
    local public = state.public(x)
    return false, 0, 0, false, 0, CLASSES[public], public, x[X.flow] == '' and x[X.kept] or 0
  end
  local timer = 0
  if x[X.policy] ~= 0 or x[X.elig] == 't' or x[X.grace] ~= 0 or phase == 's' then
    local _, due = state.next_timer(x, false)
    timer = due or 0
  elseif phase == 'a' then
    timer = x[X.attempt][A.deadline]
  end
  if phase == 'a' then
    local attempt = x[X.attempt]
    return false, x[X.score], timer, attempt[A.instance], attempt[A.expires], 'open', 'a', 0
  end
  if phase == 'r' and x[X.demands] then
    return lines.place_of(x), x[X.score], timer, false, 0, 'open', state.public(x), 0
  end
  return phase == 'r' and x[X.elig] == 'e' and x[X.rid], x[X.score], timer, false, 0, 'open', state.public(x), 0
end

-- Its member in a ready set: submissions of the same score keep their order.
function project.ready_member(x, id)
  return string.format('%011x', x[X.seq]) .. id
end
