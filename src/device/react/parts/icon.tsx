import type { ReactNode } from 'react';

// Drawn for a square of 24 with round ends, in the colour of the text around them.
const PATHS = {
  bell: 'M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 21h4',
  close: 'M6 6l12 12M18 6L6 18',
  computer: 'M4 5h16v11H4zM2 20h20',
  phone: 'M7 3h10v18H7zM11 18h2',
  tablet: 'M4 3h16v18H4zM11 18h2',
  blocked: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM5.7 5.7l12.6 12.6',
  install: 'M12 3v11M8 10l4 4 4-4M5 17v3h14v-3',
  done: 'M5 12.5l4.5 4.5L19 7.5',
} as const;

/** A small picture beside words that say the same; nothing to read out. */
export function Icon({ name }: { name: keyof typeof PATHS }): ReactNode {
  return (
    <svg className="supapush-icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
