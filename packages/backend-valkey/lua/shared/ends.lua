-- Ends of attempts by their holders.

local function read_failure(failure)
  if type(failure) ~= 'table' or type(failure[1]) ~= 'string' or type(failure[2]) ~= 'string'
    or (failure[3] ~= nil and type(failure[3]) ~= 'string') then
    call.refuse('invalid_arguments', 'a failure')
  end
  return { failure[1], failure[2], failure[3] }
end

local function complete(u, x, late, result)
  attempts.close(u, x, 'c', 'h')
  transition.finish(u, x, 's', 'h', nil, nil, result)
  return { 'completed', 0, late }
end

local function fail(u, x, late, failure, wish, at)
  attempts.close(u, x, 'f', 'h', failure)
  local word, retry_at = outcomes.follow_failure(u, x, failure, wish, at)
  return { word, retry_at, late }
end

local function carry_out(u, namespaces, item)
  local op = item[6]
  local pass, x, attempt, known = fence.judge(u, namespaces, item, op)
  if pass == 'refused' or pass == 'repeat' then return known end
  transition.touch(u, x)
  local late = pass == 'late'
  if late then
    attempt[A.late] = 1
    x[X.reclaims] = x[X.reclaims] - 1
  end
  local answer
  if op == 'c' then answer = complete(u, x, late, call.bytes(u, item[10]))
  else answer = fail(u, x, late, read_failure(item[9]), item[7], item[8]) end
  attempt[A.op] = op
  attempt[A.answer] = answer
  return answer
end

local COMPLETED = { 'completed', 0, false }

-- `spaces`: sets of namespaces; `items`: [execution, attempt, lease, epoch, place of its set, op, wish, time, failure,
-- result]. Answers of each: [outcome, …].
function ends.run(u, spaces, items)
  local ids = {}
  for place = 1, #items do ids[place] = items[place][1] end
  local texts, answers = record.fetch(u, ids), {}
  for place = 1, #items do
    local item, id = items[place], ids[place]
    local op, text = item[6], texts[place]
    if (op ~= 'c' and op ~= 'f') or spaces[item[5]] == nil then call.refuse('invalid_arguments', 'an end') end
    local is_first = u.records[id] == nil and not u.changed[id]
    if is_first and text and op == 'c' and plain.complete(u, item, spaces[item[5]], text, call.bytes(u, item[10])) then
      answers[place] = COMPLETED
    else
      if is_first then record.keep_all(u, { id }, { text }) end
      answers[place] = carry_out(u, spaces[item[5]], item)
    end
  end
  resolve.fresh(u)
  return answers
end
