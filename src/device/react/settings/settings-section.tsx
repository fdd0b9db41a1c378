import { type ReactNode, useId } from 'react';

/** A part of the settings under a heading. */
export function SettingsSection(props: { title: string; hint?: string; children: ReactNode }): ReactNode {
  const id = useId();
  return (
    <section className="supapush-section" aria-labelledby={id}>
      <h3 id={id}>{props.title}</h3>
      {props.hint && <p className="supapush-hint">{props.hint}</p>}
      {props.children}
    </section>
  );
}
