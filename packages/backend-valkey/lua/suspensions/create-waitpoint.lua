--- Names a point to wait on: for whoever holds the lease where a handle is given, else for any execution that has not ended.
-- @flags
-- @repeat request
-- @brings record
-- @args namespace: string, execution: string, handle: [execution: string, attempt: int, lease: string, epoch: int][], waitpoint: [id: string, name: string, expiresMs: int]
-- @reply unknown[]
-- @errors corruption schema_mismatch invalid_arguments not_found
local function create(u, x, each)
  local is_taken, row = waitpoints.look(u, x, each[1], each[2])
  if is_taken then return { 'waitpoint_conflict' } end
  if row then return { 'duplicate', waitpoints.tell(u, x, each[1], row) } end
  local actual = (x[X.waits] and x[X.waits][V.waitpoints] or 0) + 1
  if actual > waitpoints.MAX then return { 'too_many_waitpoints', actual } end
  row = waitpoints.add(u, x, each[1], each[2], each[3])
  return { 'created', waitpoints.tell(u, x, each[1], row) }
end

return function(u, a)
  if #a[4][1] ~= 36 then call.refuse('invalid_arguments', 'a waitpoint') end
  local x = operators.find(u, a[1], a[2])
  local answer
  if #a[3] > 0 then
    answer = holders.each(u, { a[1] }, { a[3][1] }, 'w', function(held, attempt)
      local created = create(u, held, a[4])
      if created[1] == 'created' then attempt[A.effects] = 1 end
      return created
    end)[1]
  elseif state.is_terminal(x) then
    answer = { 'execution_terminal', x[X.out] }
  else
    answer = create(u, x, a[4])
  end
  flush.run(u)
  return answer
end
