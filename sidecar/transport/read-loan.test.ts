import { expect, test } from 'vitest';
import { beginLoan, endLoan, holdLoan, LoanBlock, loan, releaseLoan, returnBytes, returnCount } from './read-loan.ts';

const never = (): void => {
  throw new Error('freed');
};

test('a block whose bytes all came back may be read into again', () => {
  const block = new LoanBlock(100);
  beginLoan(block);
  returnBytes(block.buffer.subarray(0, 60));
  returnCount(20);
  returnBytes(block.buffer.subarray(80, 90));
  expect(endLoan(90, never)).toBe(true);
  expect(loan.bytes).toBe(null);
});

test('bytes that nobody gave back keep their block', () => {
  const block = new LoanBlock(100);
  beginLoan(block);
  returnBytes(block.buffer.subarray(0, 60));
  expect(endLoan(90, never)).toBe(false);
});

test("other blocks' bytes do not count", () => {
  const block = new LoanBlock(100);
  const earlier = new LoanBlock(100);
  beginLoan(block);
  returnBytes(earlier.buffer.subarray(0, 90));
  expect(holdLoan(earlier.buffer)).toBe(null);
  expect(endLoan(90, never)).toBe(false);
  returnBytes(block.buffer);
  expect(holdLoan(block.buffer)).toBe(null);
});

test('a block that is held is free when its last holder lets go, if its bytes came back', () => {
  for (const back of [true, false]) {
    const block = new LoanBlock(10);
    const free: LoanBlock[] = [];
    beginLoan(block);
    const first = holdLoan(block.buffer.subarray(0, 5))!;
    const second = holdLoan(block.buffer.subarray(5))!;
    expect([first, second]).toEqual([block, block]);
    if (back) returnBytes(block.buffer);
    expect(endLoan(10, (freed) => free.push(freed))).toBe(false);
    releaseLoan(first);
    expect(free).toEqual([]);
    releaseLoan(second);
    expect(free).toEqual(back ? [block] : []);
  }
});
